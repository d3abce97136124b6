"""The figures of an evaluation as tables for the terminal."""

HEAD = f"{'':<24}{'precision':>10}{'recall':>10}{'F1':>10}{'support':>10}"
CALIBRATED = {"label": "the likeliest label", "bad": "being bad"}


def as_text(metrics: dict) -> str:
    """Everything an evaluation found, as text."""
    ccd, exposure, split = metrics["ccd"], metrics["exposure"], metrics["split"]
    lines = [f"CCDs of held-out exposures ({split['images']} images, {split['exposures']} exposures, {split['kind']})"]
    lines += [HEAD, *_reasons(ccd)]
    lines += [f"macro F1 {ccd['macro_f1']:.3f}, accuracy {ccd['accuracy']:.3f}"]
    lines += [line for cut in ccd.get("cuts", {}).values() for line in _cut(cut)]
    lines += _reliability(ccd.get("reliability"))
    lines += ["", "Exposures, by candidate rule", HEAD]
    lines += [_line(name, row) for name, row in exposure["rules"].items()]
    lines += _leak(metrics.get("leak")) + _survey(metrics.get("survey_ccds"), exposure["rule"])
    labels = metrics["labels"]
    said = ", ".join(f"{reason} {n}" for reason, n in labels["reasons"].items())
    lines += ["", f"Labels under {labels['policy']}: {said}"]
    lines += [f"Not used, no known reason: {word!r} ({n})" for word, n in list(labels["unmapped"].items())[:10]]
    lines += [f"Not used, {why}: {n}" for why, n in labels["left_out"].items() if n]
    return "\n".join(lines)


def _line(name: str, row: dict) -> str:
    measures = "".join(f"{row[key]:>10.3f}" for key in ("precision", "recall", "f1"))
    return f"{name:<24}{measures}{row['support']:>10}"


def _reasons(ccd: dict) -> list[str]:
    return [*(_line(name, row) for name, row in ccd["reasons"].items()), _line("any reason", ccd["bad"])]


def _cut(cut: dict) -> list[str]:
    """The table above a probability cut, with the share of each label's images that survives it."""
    lines = ["", f"Only images with a probability above {cut['above']:g}: {cut['n']}, {cut['share']:.1%} of all"]
    lines += [f"{HEAD}{'survive':>10}"]
    for name, row in cut["reasons"].items():
        lines.append(f"{_line(name, row)}{cut['surviving'].get(name, 0.0):>10.1%}")
    lines += [f"{_line('any reason', cut['bad'])}{cut['share']:>10.1%}"]
    return [*lines, f"macro F1 {cut['macro_f1']:.3f}, accuracy {cut['accuracy']:.3f}"]


def _reliability(found: dict | None) -> list[str]:
    if not found:
        return []
    errors = [f"{found[name]['expected_calibration_error']:.3f} of {what}" for name, what in CALIBRATED.items()]
    return ["", f"Expected calibration error: {', '.join(errors)}"]


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
    """Who found which exposures, we under a rule or the survey's own flags."""
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
