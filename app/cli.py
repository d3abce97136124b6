"""`triptych VERB`: every verb by its name. Each parses, calls one function, prints; Panel is loaded only to serve."""

import sys

import typer

from triptych.app import (
    verbs_agreement,
    verbs_data,
    verbs_examples,
    verbs_explain,
    verbs_learning,
    verbs_live,
    verbs_models,
    verbs_places,
    verbs_pretrain,
    verbs_probe,
    verbs_queue,
    verbs_room,
    verbs_run,
    verbs_watch,
)
from triptych.pipeline.errors import TriptychError

# name -> function, in the order that --help shows
VERBS = {
    "demo": verbs_run.demo,
    "simulate": verbs_data.simulate,
    "ingest": verbs_data.ingest,
    "embed": verbs_data.embed,
    "train": verbs_learning.train,
    "predict": verbs_learning.predict,
    "cluster": verbs_places.cluster,
    "map": verbs_places.make_map,
    "candidates": verbs_learning.candidates,
    "run": verbs_run.run_all,
    "example": verbs_examples.example,
    "evaluate": verbs_learning.evaluate,
    "probe": verbs_probe.probe,
    "pretrain": verbs_pretrain.pretrain,
    "similar": verbs_learning.similar,
    "retrain": verbs_learning.retrain,
    "live": verbs_live.live,
    "watch": verbs_watch.watch,
    "agreement": verbs_agreement.agreement,
    "export": verbs_room.export,
    "explain": verbs_explain.explain,
    "serve": verbs_room.serve,
    "panel": verbs_room.panel,
    "status": verbs_run.status,
}
# name -> what the group is about, and its verbs
GROUPS = {
    "labels": (
        "Import labels and earlier inspections, and check them.",
        {
            "import": verbs_data.labels_import,
            "show": verbs_data.labels_show,
            "doubtful": verbs_data.labels_doubtful,
        },
    ),
    "models": (
        "Every model of a run, and going over to another.",
        {"list": verbs_models.show, "use": verbs_models.use},
    ),
    "queue": (
        "Order, packets and what is mixed into the queue.",
        {"show": verbs_queue.show, "set": verbs_queue.change, "draw": verbs_queue.draw},
    ),
    "user": (
        "Accounts of inspectors, leads and viewers.",
        {"add": verbs_room.user_add, "close": verbs_room.user_close, "list": verbs_room.user_list},
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
    """Run the command line; an error that we raise on purpose is one line and exit code 1."""
    try:
        app()
    except TriptychError as error:
        print(f"triptych: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("triptych: stopped; run the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
