"""Verbs of `triptych labels`: import lists and answers, and look at what is there."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Policy, Run, open_run, open_store, print_frame, say
from triptych.pipeline.errors import TriptychError

DOUBTS_SHOWN = 40


def labels_import(
    run: Run,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Label lists, earlier inspections (CSV, XLSX), truth tables, lists of suspicious good exposures.",
            metavar="FILE",
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(
            help="Kind of the files: bad_expid, exclude, good, truth, suspicious, inspection, spreadsheet or "
            "annotation. Default: guessed from each file."
        ),
    ] = "",
    inspector: Annotated[str, typer.Option(help="Inspector of a spreadsheet that does not name one.")] = "",
    maybe: Annotated[str, typer.Option(help="How `maybe` and `y?` count: unsure or bad.")] = "unsure",
    camera: Annotated[str, typer.Option(help="Camera of the files. Default: the run's camera.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read and what would not, and store nothing.")
    ] = False,
    labels: Labels = "",
) -> None:
    """Read label lists and earlier inspections. The source of each label is stored with it.

    Says of each file how many rows were read, which were not and why, and which columns were used. A file that cannot
    be read is named, and the others are read; the exit code is 1 then.
    """
    from triptych.pipeline.catalog.catalog import Catalog

    known = None if dry_run and not (run / "run.json").is_file() else Catalog.create(run, camera=camera or "decam")
    camera = camera or (known.camera if known else "decam")
    options = {"camera": camera, "inspector": inspector or None, "maybe": maybe}
    store = None if dry_run else open_store(known, labels)
    try:
        unread = import_files(store, files, kind=kind or None, catalog=known, **options)
    finally:
        if store is not None:
            store.close()
    if unread:
        raise typer.Exit(1)


def import_files(store, files: list[Path], *, catalog, **options) -> int:
    """Import one file after the other, and say what was read. Returns how many could not be read; the others are.

    store : None to store nothing.
    """
    from triptych.pipeline.labels.readers import read_file, store_found

    unread = 0
    for path in files:
        try:
            report = read_file(path, catalog=catalog, **options)
        except (TriptychError, OSError) as error:
            say(f"{path} is not read: {error}" if str(path) not in str(error) else f"not read: {error}")
            unread += 1
            continue
        say(str(report if store is None else store_found(store, report, catalog)))
    if unread and len(files) > 1:
        say(f"{len(files) - unread} of {len(files)} files read, {unread} not")
    return unread


def labels_accept(run: Run, labels: Labels = "") -> None:
    """Use the label store that is there now.

    It may be new, another one, or older than the run knows it.

    For after a restored backup or a lost store. Makes a new store if there is none. What was known before is recorded
    in labels.json in the run folder. Stop the server first.
    """
    import getpass

    from triptych.pipeline.store.store import accept_store

    catalog = open_run(run)
    before, store = accept_store(catalog, labels, by=getpass.getuser())
    with store:
        now = store.state()
    was = f"; before, it was at revision {before['revision']}" if before else ""
    say(f"{catalog.path} uses {store.address} from now on, at revision {now.revision}{was}")


def labels_annul(
    run: Run,
    vote_id: Annotated[int, typer.Argument(metavar="VOTE_ID", help="Its number, as `triptych explain` prints it.")],
    why: Annotated[str, typer.Option(help="Why it does not count; kept with the vote.")],
    lead: Annotated[str, typer.Option(help="Who says so.")] = "",
    labels: Labels = "",
) -> None:
    """Let one judgement count no more, with a reason.

    For a slip that its inspector cannot take back, or a wrong row of an imported list. The vote stays on record, and
    its inspector can vote again.
    """
    import getpass

    with open_store(open_run(run), labels) as store:
        expnum = store.annul(vote_id, lead or getpass.getuser(), why)
    say(f"vote {vote_id} on exposure {expnum} does not count any more")


def labels_show(run: Run, labels: Labels = "") -> None:
    """Count what is in the label store. Labels by source and reason, votes by inspector, verdicts by policy."""
    from triptych.pipeline.votes import verdicts

    catalog = open_run(run)
    store = open_store(catalog, labels)
    frame, votes, decisions = store.labels(), store.votes(), store.adjudications()
    if len(frame):
        counts = frame.groupby(["source", "reason"]).size().reset_index(name="labels")
        print_frame(counts, "Imported labels")
    if len(votes):
        print_frame(votes.groupby(["inspector", "judgement", "via"]).size().reset_index(name="votes"), "Votes")
        rows = []
        for policy in verdicts.POLICIES:
            verdict = verdicts.verdicts(votes, policy, catalog.panel, decisions).verdict.value_counts()
            rows.append({"policy": policy, **{name: int(verdict.get(name, 0)) for name in verdicts.VERDICTS}})
        import pandas as pd

        print_frame(pd.DataFrame(rows), f"Exposures by verdict (panel of {catalog.panel})")
    if not len(frame) and not len(votes):
        say("the label store is empty; `triptych labels import` fills it from lists, the dashboard from votes")


def labels_doubtful(
    run: Run,
    policy: Policy = "majority",
    answered: Annotated[bool, typer.Option("--answered", help="Also list those that a verdict has settled.")] = False,
    everywhere: Annotated[
        bool, typer.Option("--everywhere", help="Also list labels of exposures that are not in the run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all rows as JSON, for another program.")] = False,
    labels: Labels = "",
) -> None:
    """List labels that are likely wrong. Another list, the votes, or nearly all similar images contradict them."""
    import json

    from triptych.pipeline.labels import doubtful

    catalog = open_run(run)
    found = doubtful.doubtful_labels(catalog, open_store(catalog, labels), policy=policy, answered=True)
    counts = doubtful.summary(found)
    rows = found[(answered | (found.answer == "")) & (everywhere | found.in_run)]
    if as_json:
        print(json.dumps({"summary": counts, "labels": rows.to_dict("records")}))
        return
    if not len(found):
        say("no label is doubtful; labels come from `triptych labels import`, neighbours from `triptych predict`")
        return
    for row in rows.head(DOUBTS_SHOWN).itertuples():
        print(f"{row.expnum}\t{row.sure:.2f}\t{row.why}\t{row.answer or '-'}\t{row.sentence}")
    if len(rows) > DOUBTS_SHOWN:
        say(f"and {len(rows) - DOUBTS_SHOWN} more; --json prints every one")
    reasons = ", ".join(f"{n} {doubtful.WHYS[why]}" for why, n in counts["why"].items() if n)
    say(f"{counts['in_run']} exposures of the run have a doubtful label ({counts['n']} including exposures not in it)")
    say(f"{reasons or 'none is open'}; {counts['answered']} settled by a verdict")
