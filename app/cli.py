"""`triptych VERB`: every verb by its name.

Each verb reads its options, calls one function and prints. Only verbs that serve pages load Panel.
"""

import errno
import os
import sys

import typer

from triptych.app.verbs import (
    agreement,
    backup,
    data,
    explain,
    labels,
    learning,
    maps,
    models,
    pretrain,
    probe,
    queue,
    run,
    serve,
    watch,
)
from triptych.pipeline.errors import TriptychError

# name -> function, in the order that --help shows
VERBS = {
    "demo": run.demo,
    "simulate": data.simulate,
    "ingest": data.ingest,
    "join": data.join,
    "embed": data.embed,
    "train": learning.train,
    "predict": learning.predict,
    "cluster": maps.cluster,
    "map": maps.make_map,
    "candidates": learning.candidates,
    "run": run.run_all,
    "example": run.example,
    "evaluate": learning.evaluate,
    "probe": probe.probe,
    "pretrain": pretrain.pretrain,
    "similar": learning.similar,
    "retrain": learning.retrain,
    "watch": watch.watch,
    "agreement": agreement.agreement,
    "export": serve.export,
    "explain": explain.explain,
    "serve": serve.serve,
    "panel": serve.panel,
    "status": run.status,
    "backup": backup.backup,
    "restore": backup.restore,
}
# name -> what the group is about, and its verbs
GROUPS = {
    "labels": (
        "Import labels and earlier inspections, and check them.",
        {
            "import": labels.labels_import,
            "show": labels.labels_show,
            "doubtful": labels.labels_doubtful,
            "accept": labels.labels_accept,
            "annul": labels.labels_annul,
        },
    ),
    "models": (
        "List the models of a run, and choose which one is used.",
        {"list": models.show, "use": models.use},
    ),
    "queue": (
        "Settings of the review queue, and exposures to mix in.",
        {"show": queue.show, "set": queue.change, "draw": queue.draw},
    ),
    "user": (
        "Accounts of inspectors, leads and viewers.",
        {
            "add": serve.user_add,
            "close": serve.user_close,
            "open": serve.user_open,
            "logout": serve.user_logout,
            "list": serve.user_list,
            "log": serve.user_log,
        },
    ),
}


def assemble() -> typer.Typer:
    """The command line with all its verbs."""
    triptych = typer.Typer(
        name="triptych",
        help="Find and judge the bad exposures of an imaging survey. Start with `triptych demo`, or with your own "
        "exposures: `triptych run RUN SOURCE...`, `triptych user add RUN NAME`, `triptych serve RUN`.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for name, verb in VERBS.items():
        triptych.command(name)(verb)
    for group_name, (about, verbs) in GROUPS.items():
        group = typer.Typer(help=about, no_args_is_help=True)
        for name, verb in verbs.items():
            group.command(name)(verb)
        triptych.add_typer(group, name=group_name)
    return triptych


app = assemble()


def in_one_line(error: Exception) -> str:
    """What is wrong and what to do, where it is not a fault of Triptych itself; '' where it is."""
    if isinstance(error, TriptychError):
        return str(error)
    if isinstance(error, OSError):
        return why_no_file(error)
    if isinstance(error, MemoryError):
        return "this machine has too little memory for it; end other programs, or use another machine"
    from triptych.pipeline.store.faults import passing_fault

    of_store = passing_fault(error)
    return f"{of_store}; run the same command again" if of_store else ""


def why_no_file(error: OSError) -> str:
    """One line that says which file cannot be read or written, why, and what to do."""
    what = f"{error.filename}: " if error.filename is not None else ""
    advice = {
        errno.ENOSPC: "make room on the disk, then run the same command again; it goes on where it stopped",
        errno.EDQUOT: "make room in your quota, then run the same command again; it goes on where it stopped",
        errno.EROFS: "this file system can only be read; name a folder on another one",
        errno.EACCES: "ask its owner for the permission",
        errno.EPERM: "ask its owner for the permission",
    }.get(error.errno or 0, "run the same command again")
    return f"{what}{error.strerror or error}; {advice}"


def main() -> None:
    """Run the command line. A TriptychError, or what is wrong with a file, is printed as one line; exit code 1."""
    try:
        app()
    except KeyboardInterrupt:
        print("triptych: stopped; run the same command again to continue", file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:  # whoever read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except Exception as error:
        if not (line := in_one_line(error)):
            raise
        print(f"triptych: {line}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
