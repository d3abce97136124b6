"""Writes what `explain` finds as text for a terminal, for readers who see it for the first time."""

from collections.abc import Iterable

STATES = {"current": "", "superseded": "replaced by a later vote", "retracted": "taken back", "annulled": "annulled"}
PROVENANCES = {
    "ticked": "the CCDs that inspectors ticked",
    "candidate_ccds": "the CCDs that the model had found bad",
    "whole_exposure": "all CCDs of a judged exposure",
    "annotation": "CCDs that were judged one by one",
    "label_list": "an imported list",
    "truth": "a table of what is known",
    "unlisted": "exposures in no list, taken as good",
}
BASES = {
    "decision": "a lead's decision",
    "votes": "votes of two or more",
    "single_vote": "a single vote",
    "bulk_votes": "votes in bulk",
    "truth": "known truth",
    "annotation": "annotation",
    "label_list": "a list",
    "unlisted": "no vote and no list",
}
MANY = 12  # number of CCD names that are written out


def as_text(found: dict) -> str:
    """Sections from the line of the list back to the file. found : from `explain.explain`."""
    parts = [
        _head(found),
        _section("What a list says", _lines(found)),
        _section("Who said what", _votes(found)),
        _section("Decisions of leads", _decisions(found)),
        _section("Labels that were imported", _labels(found)),
        _section("What the model says", _model(found["model"])),
        _section("What it taught", _taught(found)),
        _section("What that stands on", _chain(found)),
        _section("The file", _file(found)),
    ]
    return "\n\n".join(part for part in parts if part)


def _section(title: str, lines: Iterable[str]) -> str:
    lines = [f"  {line}" for line in lines]
    return "\n".join([title, *lines]) if lines else ""


def clear(name) -> str:
    """The name of a reason without underscores."""
    return str(name).replace("_", " ")


def listed(names, most: int = MANY) -> str:
    """`S1 S2 N4`, at most `most` names."""
    names = list(names)
    return " ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def when(utc) -> str:
    """2026-11-21T20:35:52.6Z as 2026-11-21 20:35:52 UTC."""
    return f"{str(utc)[:19].replace('T', ' ')} UTC" if utc else "?"


def _said(judgement: str, reasons) -> str:
    return judgement + (f": {', '.join(map(clear, reasons))}" if reasons else "")


def _head(found: dict) -> str:
    verdict = found["policies"][found["policy"]]["verdict"]
    facts = found["exposure"]
    where = "not in this run"
    if facts:
        night = str(facts["night"]) if facts["night"] and facts["night"] > 0 else ""
        shown = (f"{facts['band']} band" if facts["band"] else "", night, facts["object"], facts["plver"])
        where = ", ".join(text for text in shown if text)
    about = "; ".join(text for text in (found["camera"], where) if text)
    return f"Exposure {found['expnum']} ({about})\n{_verdict(verdict, found)}"


def _verdict(verdict: dict | None, found: dict) -> str:
    if verdict is None:
        return "Nobody has judged it yet."
    counts = ", ".join(f"{verdict[f'n_{name}']} {name}" for name in ("bad", "good", "unsure") if verdict[f"n_{name}"])
    text = f"Verdict: {_said(verdict['verdict'], verdict['reasons'] if verdict['verdict'] == 'bad' else ())}"
    text += f" (policy {found['policy']}, panel {found['panel']}: {counts or 'no votes'})"
    if verdict["adjudicated"]:
        text += f"; decided by {verdict['lead']}"
    if verdict["bad_ccds"]:
        text += f"; only {listed(verdict['bad_ccds'])}"
    return text + (f"; OF THE OLD VERSION {verdict['plver']}" if verdict["old"] else "")


def _lines(found: dict) -> list[str]:
    lines = []
    for name, one in found["policies"].items():
        verdict = one["verdict"]
        if verdict is None:
            continue
        lines.append(f"{name:10} {verdict['verdict']:6} ({one['rule']})")
        lines += [f"{'':10} > {line}" for line in one["lines"][:MANY]]
        if len(one["lines"]) > MANY:
            lines.append(f"{'':10}   and {len(one['lines']) - MANY} lines more")
        if verdict["old"] and one["lines"]:
            lines.append(f"{'':10} only with `triptych export --old`: it was judged on {verdict['plver']}")
    return lines


def _votes(found: dict) -> list[str]:
    lines = []
    for vote in found["votes"]:
        how = [when(vote["created_utc"]), vote["via"], "blind" if vote["blind"] else "not blind", STATES[vote["state"]]]
        how += [f"on the old version {vote['plver']}" if vote["old"] else ""]
        said = _said(vote["judgement"], vote["reasons"])
        lines.append(f"{vote['inspector']} said {said} (vote {vote['vote_id']})")
        lines.append("    " + ", ".join(text for text in how if text))
        if vote["ccdnames"]:
            lines.append(f"    {'ticked' if vote['whole'] else 'of the CCDs'} {listed(vote['ccdnames'])}")
        if vote["comment"]:
            lines.append(f"    note: {vote['comment']}")
        if vote["annulled"]:
            lines.append(f"    {vote['annulled']['lead']} annulled it: {vote['annulled']['why']}")
        lines += [f"    {text}" for text in saw(vote)]
        lines += [
            f"    asked again, unseen, on {when(again['created_utc'])}: {_said(again['judgement'], again['reasons'])}"
            for again in vote["repeats"]
        ]
    if found["reveals"]:
        names = ", ".join(f"{one['inspector']} ({when(one['revealed_utc'])})" for one in found["reveals"])
        lines.append(f"others' votes were shown to {names}")
    return lines


def saw(vote: dict) -> list[str]:
    """What was on screen when somebody voted, as text, and what the model said then."""
    screen, then = vote["screen"], vote["model_then"]
    parts = []
    if screen.get("seconds") is not None:
        parts.append(f"looked {float(screen['seconds']):.1f} s")
    if "model_shown" in screen:
        score = f" ({screen['score']:.2f})" if isinstance(screen.get("score"), (int, float)) else ""
        parts.append(f"the model's opinion was {'shown' + score if screen['model_shown'] else 'hidden'}")
    if screen.get("stretch"):
        parts.append(f"stretch {screen['stretch']}")
    if screen.get("zoom"):
        parts.append(f"zoom {float(screen['zoom']):.3g}")
    if screen.get("ccds_opened"):
        parts.append(f"enlarged {listed(screen['ccds_opened'])}")
    if screen.get("how"):
        parts.append(f"one of {screen.get('n_batch', '?')} in bulk ({screen['how']})")
    if screen.get("answer"):
        parts.append(f"read from the cell {screen['answer']!r}")
    if screen.get("pictures") is False:
        parts.append("without a picture")
    lines = [f"saw: {', '.join(parts)}"] if parts else []
    if then:
        lines.append(f"prediction/{then['stage']} (model/{then['model']}) was on screen: {_chance(then)}")
    elif screen.get("stage"):
        lines.append(f"prediction/{screen['stage']} was on screen, but has been removed")
    return lines


def _chance(says: dict) -> str:
    chance = says["exposure_probability"]
    text = "no probability of the whole exposure" if chance is None else f"bad with probability {chance:.2f}"
    if says["rule"]:
        candidate = "candidate" if says["is_candidate"] else "not a candidate"
        text += f"; rank {says['rank']} of {says['n_ranked']}, {candidate} by the rule {says['rule']} ({says['asks']})"
    return text


def _decisions(found: dict) -> list[str]:
    lines = []
    for one in found["decisions"]:
        state = {"current": "", "superseded": ", replaced by a later one", "retracted": ", taken back"}[one["state"]]
        old = f", on the old version {one['plver']}" if one["old"] else ""
        lines.append(f"{one['lead']} decided {_said(one['judgement'], one['reasons'])}{state}{old}")
        votes = f"; on the votes {', '.join(map(str, one['votes_seen']))}" if one["votes_seen"] else ""
        lines.append(f"    {when(one['created_utc'])}; why: {one['comment']}{votes}")
    return lines


def _labels(found: dict) -> list[str]:
    lines = []
    for one in found["labels"]:
        of = f"{len(one['ccdnames'])} CCDs: {listed(one['ccdnames'], 6)}" if one["ccdnames"] else "the whole exposure"
        raw = f" (written {one['raw']!r})" if one["raw"] not in ("", one["reason"]) else ""
        lines.append(f"{clear(one['reason']) or 'no known reason'}{raw}, {of}")
        lines.append(f"    from {one['source']}, a list of kind {one['kind']}, imported {when(one['imported_utc'])}")
    for one in found["tables"]:
        values = ", ".join(f"{name} {value}" for name, value in one["columns"].items() if value != "")
        lines.append(f"{one['source']} says: {values}")
    return lines


def _model(model: dict | None) -> list[str]:
    if model is None:
        return ["nothing: there is no prediction for it"]
    lines = [f"prediction/{model['stage']}: {_chance(model)}"]
    lines.append(f"{model['n_likely_bad']} of {model['n_ccds']} CCDs are more likely bad than good; the worst:")
    lines += [f"    {one['ccdname']:4} {one['p_bad']:.2f}  {clear(one['reason'])}" for one in model["drivers"]]
    if model["neighbours"]:
        lines.append("the labelled images nearest to the worst of them:")
    for one in model["neighbours"]:
        label = ", ".join(map(clear, one["reasons"]))
        at = f"{one['expnum']}-{one['ccdname']:4} {one['distance']:.2f} from {one['of_ccdname']:4}"
        lines.append(f"    {at} {label}: {_origin(one)}")
    return lines


def _origin(label: dict) -> str:
    """Where a training label comes from, what it rests on, and how much it counts."""
    text = f"{label['source']}, {PROVENANCES.get(label['provenance'], label['provenance'] or 'origin not kept')}"
    if label["basis"]:
        text += f"; rests on {BASES.get(label['basis'], label['basis'])}"
    return f"{text}; weight {label['weight']:.2f}"


def _taught(found: dict) -> list[str]:
    taught = found["taught"]
    if taught is None:
        return ["nothing: there is no model"]
    lines = [
        f"model/{taught['stage']}: {', '.join(map(clear, one['reasons']))} with {len(one['ccdnames'])} CCDs "
        f"({listed(one['ccdnames'], 6)}) from {_origin(one)}"
        for one in taught["labels"]
    ]
    return lines or [f"model/{taught['stage']}: {why_nothing(found)}"]


def why_nothing(found: dict) -> str:
    """Why an exposure taught the model nothing, as far as it is known."""
    drawn, verdict = found["draws"], found["policies"][found["policy"]]["verdict"]
    revision = found["taught"]["revision"]
    if drawn:
        return f"nothing: it was drawn ({' and '.join(drawn)}), so it measures models and does not teach them"
    if verdict is None and not found["labels"]:
        return "nothing: it has neither a vote nor a label"
    if verdict is not None and verdict["old"]:
        return f"nothing: it was judged on another pipeline version ({verdict['plver']})"
    if verdict is not None and verdict["verdict"] in ("open", "split") and not found["labels"]:
        return f"nothing: its verdict is {verdict['verdict']}"
    if revision is not None and revision < found["revision"]:
        return f"nothing: trained at revision {revision} of the label store, which is now at {found['revision']}"
    return "nothing: its labels contradict each other, name no known reason, or were left out"


def _chain(found: dict) -> list[str]:
    lines = []
    for stage in found["chain"]:
        current = "" if stage["current"] else ", not the current one"
        lines.append(f"{stage['kind']}/{stage['stage_id']} {stage['digest']}, {when(stage['created'])}{current}")
        given = ", ".join(f"{name} {value}" for name, value in stage["parameters"].items() if value not in ("", None))
        lines.append(f"    {stage['rows']} rows in {stage['seconds']} s" + (f"; {given}" if given else ""))
    return [*lines, f"label store at revision {found['revision']}"] if lines else []


def _file(found: dict) -> list[str]:
    file = found["file"]
    lines = [file["name"]] if file["name"] else []
    if file["source"]:
        lines.append(f"read from {file['source']}" + ("" if file["there"] else ", which is no longer there"))
    lines += [
        f"in quarantine: {one['path']} {one['ccdname']} {one['problem']}: {one['detail']}" for one in file["problems"]
    ]
    for row in found["versions"]:
        moved = "how far it moved is not known" if row["moved"] is None else moved_text(row)
        lines.append(f"{when(row['utc'])}: {row['plver_before']} became {row['plver_now']}, {moved}")
    return lines


def moved_text(row: dict) -> str:
    """How far an exposure moved when it was reprocessed, as text."""
    if row["moved"] == 0:
        return "with the same embedding"
    much = "looks different" if row["moved_much"] else "looks the same"
    return f"{much}: its embedding moved {row['moved']:.2f} times the usual distance to another exposure"
