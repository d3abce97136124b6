"""Writes the figures of an evaluation as tables for the terminal."""

HEAD = f"{'':<24}{'precision':>10}{'recall':>10}{'F1':>10}{'support':>10}"
CALIBRATED = {"label": "the likeliest label", "bad": "being bad"}


def as_text(metrics: dict) -> str:
    """All results of an evaluation, as text."""
    ccd, exposure, split = metrics["ccd"], metrics["exposure"], metrics["split"]
    lines = [f"CCDs of held-out exposures ({split['images']} images, {split['exposures']} exposures, {split['kind']})"]
    lines += [HEAD, *_reasons(ccd)]
    lines += [f"macro F1 {ccd['macro_f1']:.3f}, accuracy {ccd['accuracy']:.3f}"]
    lines += [line for cut in ccd.get("cuts", {}).values() for line in _cut(cut)]
    lines += _reliability(ccd.get("reliability"))
    lines += _exposures(exposure) + _suspicious(metrics.get("suspicious"))
    lines += _spread(metrics.get("spread"), exposure["rule"])
    lines += (
        _compared(metrics.get("compare"), exposure["rule"])
        + _leak(metrics.get("leak"))
        + _survey(metrics.get("survey_ccds"), exposure["rule"])
    )
    labels = metrics["labels"]
    counts = ", ".join(f"{reason} {n}" for reason, n in labels["reasons"].items())
    lines += ["", f"Labels under {labels['policy']}: {counts}"]
    lines += [f"Not used, no known reason: {word!r} ({n})" for word, n in list(labels["unmapped"].items())[:10]]
    lines += [f"Not used, {why}: {n}" for why, n in labels["left_out"].items() if n]
    return "\n".join(lines)


def _line(name: str, row: dict) -> str:
    measures = "".join(f"{row[key]:>10.3f}" for key in ("precision", "recall", "f1"))
    return f"{name:<24}{measures}{row['support']:>10}"


def _reasons(ccd: dict) -> list[str]:
    return [*(_line(name, row) for name, row in ccd["reasons"].items()), _line("any reason", ccd["bad"])]


def _cut(cut: dict) -> list[str]:
    """The table above a probability cut, with the share of each label's images that pass it."""
    lines = ["", f"Only images with a probability above {cut['above']:g}: {cut['n']}, {cut['share']:.1%} of all"]
    lines += [f"{HEAD}{'survive':>10}"]
    for name, row in cut["reasons"].items():
        lines.append(f"{_line(name, row)}{cut['surviving'].get(name, 0.0):>10.1%}")
    lines += [f"{_line('any reason', cut['bad'])}{cut['share']:>10.1%}"]
    return [*lines, f"macro F1 {cut['macro_f1']:.3f}, accuracy {cut['accuracy']:.3f}"]


def _reliability(found: dict | None) -> list[str]:
    if not found:
        return []
    errors = [f"{found[name]['expected_calibration_error']:.3f} of {title}" for name, title in CALIBRATED.items()]
    return ["", f"Expected calibration error: {', '.join(errors)}"]


def _exposures(exposure: dict) -> list[str]:
    """Each rule at its own cut and at its best threshold, and the calibration of its probabilities and reasons."""
    rules = exposure["rules"]
    lines = ["", f"Exposures, by candidate rule ({exposure['n']} exposures)", HEAD]
    lines += [_line(name, row) for name, row in rules.items()]
    lines += ["", "Exposures at the threshold where the smaller of precision and recall is largest, and calibration"]
    names = ("threshold", "precision", "recall", "av. prec.", "cal. error", "Brier", "reason ok")
    lines += [f"{'':<24}" + "".join(f"{name:>11}" for name in names)]
    for name, row in rules.items():
        best, stated = row["best"], row["calibration"]
        values = [best["threshold"], best["precision"], best["recall"], row["average_precision"]]
        values += [stated["expected_calibration_error"], stated["brier"]]
        named = f"{row['reason']['right']}/{row['reason']['n']}"
        lines.append(f"{name:<24}" + "".join(f"{value:>11.3f}" for value in values) + f"{named:>11}")
    return lines


def _suspicious(found: dict | None) -> list[str]:
    """Good exposures taken for bad ones, by kind: share of CCDs called bad, and exposures that each rule sends."""
    if not found:
        return []
    rules = list(found["plain"]["rules"])
    rows = {**found["kinds"], **({"any suspicious": found["any"]} if found["kinds"] else {})}
    lines = ["", "False alarms: good exposures, by kind; sent to inspection under each rule, mean bad_probability"]
    lines += [f"{'':<24}{'exposures':>10}{'CCDs':>8}{'CCDs bad':>10}" + "".join(f"{name:>18}" for name in rules)]
    for name, row in {**rows, "plain good": found["plain"]}.items():
        line = f"{name:<24}{row['n_exposures']:>10}{row['n_ccds']:>8}{row['ccds_called_bad']:>10.2%}"
        for own in row["rules"].values():
            line += f"{own['sent']:>10}{own['mean_bad_probability']:>8.3f}"
        lines.append(line)
    left_out = {"known to be bad": found["judged_bad"], "without an embedding": found["not_predicted"]}
    return lines + [f"Listed as suspicious, {why}: {n} exposures" for why, n in left_out.items() if n]


def _spread(found: dict | None, rule: str) -> list[str]:
    """Intervals of the main figures."""
    if not found:
        return []
    names = {"macro_f1": "macro F1", "bad_f1": "F1 of any reason"}
    names |= {f"{rule}.{key}": f"{rule}: {key}" for key in ("precision", "recall")}
    names |= {f"{rule}.best": f"{rule}: best of both"}
    head = f"Spread, from {found['resamples']} resamples of {found['n']} exposures"
    lines = ["", f"{head:<44}{'value':>8}{'st. error':>11}{'95 % interval':>18}"]
    for key, name in names.items():
        row = found["figures"][key]
        between = f"{row['low']:.3f} to {row['high']:.3f}"
        lines.append(f"{name:<44}{row['value']:>8.3f}{row['standard_error']:>11.3f}{between:>18}")
    return lines


def compared_rows(found: dict, rule: str) -> dict[str, dict[str, float | int]]:
    """Classifiers side by side under one rule: title of a figure -> classifier -> value."""
    rows: dict[str, dict] = {}
    for name, own in found.items():
        exposure, odd = own["exposure"]["rules"][rule], own["suspicious"]["any"]
        plain = own["suspicious"]["plain"]
        values = {
            "macro F1": own["ccd"]["macro_f1"],
            "F1 of any reason": own["ccd"]["bad"]["f1"],
            "accuracy": own["ccd"]["accuracy"],
            "precision at the cut": exposure["precision"],
            "recall at the cut": exposure["recall"],
            "best threshold": exposure["best"]["threshold"],
            "precision at the best": exposure["best"]["precision"],
            "recall at the best": exposure["best"]["recall"],
            "average precision": exposure["average_precision"],
            "calibration error": exposure["calibration"]["expected_calibration_error"],
            "reason named rightly": exposure["reason"]["share"],
            "suspicious sent": odd["rules"][rule]["sent"],
            "suspicious CCDs bad": odd["ccds_called_bad"],
            "plain good sent": plain["rules"][rule]["sent"],
            "plain good CCDs bad": plain["ccds_called_bad"],
        }
        for title, value in values.items():
            rows.setdefault(title, {})[name] = value
    return rows


def _compared(found: dict | None, rule: str) -> list[str]:
    if not found:
        return []
    first = next(iter(found))
    n = found[first]["exposure"]["n"]
    lines = ["", f"Classifiers on the same labels in the same folds; exposures ({n}) under rule {rule}"]
    lines += [f"{'':<24}" + "".join(f"{name:>16}" for name in found)]
    for title, values in compared_rows(found, rule).items():
        shown = (f"{value:>16}" if isinstance(value, int) else f"{value:>16.3f}" for value in values.values())
        lines.append(f"{title:<24}" + "".join(shown))
    for name, own in list(found.items())[1:]:
        row = own["difference"]["macro_f1"]
        between = f"95 % interval {row['low']:+.3f} to {row['high']:+.3f}"
        lines.append(f"macro F1, {name} less {first}: {row['value']:+.3f} ({between})")
    return lines


def _leak(found: dict | None) -> list[str]:
    """F1 of the same classifier on the same images, split by image and by exposure."""
    if not found:
        return []
    image, exposure = found["image"], found["exposure"]
    lines = ["", f"The leak: F1 on the same images in {found['folds']} folds"]
    lines += [f"{'':<24}{'by image':>12}{'by exposure':>12}"]
    for name in exposure["reasons"]:
        one = image["reasons"].get(name, {"f1": 0.0})
        lines.append(f"{name:<24}{one['f1']:>12.3f}{exposure['reasons'][name]['f1']:>12.3f}")
    for key, name in (("macro_f1", "macro F1"), ("accuracy", "accuracy")):
        lines.append(f"{name:<24}{image[key]:>12.3f}{exposure[key]:>12.3f}")
    for above in exposure["cuts"]:
        one, other = image["cuts"][above], exposure["cuts"][above]
        lines.append(f"{f'macro F1 above {above}':<24}{one['macro_f1']:>12.3f}{other['macro_f1']:>12.3f}")
        lines.append(f"{f'survive {above}':<24}{one['share']:>12.1%}{other['share']:>12.1%}")
    return lines


def _survey(rules: dict | None, rule: str) -> list[str]:
    """Which exposures are found by us, under a rule, and which by the survey's own flags."""
    if not rules:
        return []
    found = rules[rule]
    head = f"Exposures found by rule {rule} and by the flags of survey-ccds ({found['n']} compared"
    lines = ["", f"{head}, {found['not_in_table']} not in the table)"]
    lines += [f"{'':<24}{'both':>12}{'only ours':>12}{'only theirs':>12}"]
    groups = ("both", "only_ours", "only_theirs")
    rows = {"any defect flag": found, **found["flags"]}
    for name, row in rows.items():
        lines.append(f"{name:<24}" + "".join(f"{row[group]['n']:>12}" for group in groups))
    known = "".join(f"{found[group]['truly_bad']:>12}" for group in groups)
    return [*lines, f"{'truly bad of any':<24}{known}"]
