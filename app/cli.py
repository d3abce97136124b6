"""`triptych VERB`: every verb by its name.

Each verb reads its options, calls one function and prints. Only verbs that serve pages load Panel.
"""

import sys

import typer

from triptych.app.verbs import (
    agreement,
    data,
    explain,
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
    "live": models.live,
    "watch": watch.watch,
    "agreement": agreement.agreement,
    "export": serve.export,
    "explain": explain.explain,
    "serve": serve.serve,
    "panel": serve.panel,
    "status": run.status,
}
# name -> what the group is about, and its verbs
GROUPS = {
    "labels": (
        "Import labels and earlier inspections, and check them.",
        {
            "import": data.labels_import,
            "show": data.labels_show,
            "doubtful": data.labels_doubtful,
            "accept": data.labels_accept,
            "annul": data.labels_annul,
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


def main() -> None:
    """Run the command line. A TriptychError is printed as one line, with exit code 1."""
    try:
        app()
    except TriptychError as error:
        print(f"triptych: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("triptych: stopped; run the same command again to continue", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
