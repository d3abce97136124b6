"""Verbs for the queue of all inspectors: its settings and their effect, known answers and the control."""

from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Run, Seed, open_run, open_store, say


def open_app(run, labels: str):
    """The AppContext of a run, as the dashboard has it."""
    from triptych.app.context import AppContext

    catalog = open_run(run)
    return AppContext(catalog, open_store(catalog, labels))


def show(run: Run, labels: Labels = "") -> None:
    """Show the queue's settings, and how many votes they ask for."""
    from triptych.app.rooms.lead import queue

    app = open_app(run, labels)
    survey = app.survey()
    for name, value in queue.settings(app)["settings"].items():
        print(f"{name}\t{value if value != '' else '-'}")
    effect, drawn = queue.effect(app, survey, {}), queue.drawn(app, survey)
    rows = {
        "exposures": effect["n_exposures"],
        "votes given": effect["votes_given"],
        "votes to come": range_of(effect),
        "votes saved": queue.saved(app, survey)["votes_saved"],
        "known answers": drawn["known"]["n"],
        "in the control": drawn["control"]["n"],
    }
    for name, value in rows.items():
        print(f"{name}\t{value}")


def range_of(effect) -> str:
    left = effect["votes_left"]
    return str(left["most"]) if left["least"] == left["most"] else f"{left['least']} to {left['most']}"


def change(
    run: Run,
    order: Annotated[
        str | None, typer.Option(help="Default order: score, uncertainty, gain, similar, night or random.")
    ] = None,
    packet: Annotated[
        str | None, typer.Option(help="Part of the queue, such as 'band=g;month=2013-10'; '' = everything.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="all (everybody votes on everything) or adaptive (a third vote only if needed).")
    ] = None,
    control: Annotated[float | None, typer.Option(help="Share of exposures that always get all votes.")] = None,
    strong: Annotated[
        float | None, typer.Option(help="Probability above which the model counts as strongly against a vote.")
    ] = None,
    repeats: Annotated[
        float | None, typer.Option(help="Share of an inspector's earlier votes to ask for again.")
    ] = None,
    repeat_age: Annotated[int | None, typer.Option(help="How many votes ago such a vote must be, at least.")] = None,
    known: Annotated[float | None, typer.Option(help="Share of exposures with a known answer to mix in.")] = None,
    ask_again: Annotated[
        bool | None, typer.Option(help="Ask again if an exposure was reprocessed but looks the same.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all orders and draws.")] = None,
    try_only: Annotated[
        bool, typer.Option("--try", help="Show how many votes it would ask for, and change nothing.")
    ] = False,
    labels: Labels = "",
) -> None:
    """Change the queue's settings. Settings that are not given stay as they are."""
    from triptych.app.rooms.lead import queue
    from triptych.pipeline.errors import BadInput

    given = {
        "order": order,
        "packet": packet,
        "rule": rule,
        "control": control,
        "strong": strong,
        "repeats": repeats,
        "repeat_age": repeat_age,
        "known": known,
        "ask_again": ask_again,
        "seed": seed,
    }
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        raise BadInput("nothing to change; give a setting, such as --rule adaptive; `triptych queue show` lists them")
    app = open_app(run, labels)
    effect = queue.effect(app, app.survey(), values)
    if not try_only:
        queue.keep_settings(app, app.survey(), values)
    verb = "would ask" if try_only else "asks"
    say(f"the queue {verb} for {range_of(effect)} more votes on {effect['n_exposures']} exposures")


def draw(
    run: Run,
    kind: Annotated[str, typer.Argument(help="known or control.", metavar="KIND")],
    number: Annotated[int, typer.Argument(help="Number of exposures.", metavar="N", min=1)],
    source: Annotated[
        str, typer.Option(help="Source of known answers: adjudicated (decided by a lead) or truth (a truth table).")
    ] = "adjudicated",
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Draw more known answers to mix in, or more exposures for the control."""
    from triptych.app.rooms.lead import queue
    from triptych.pipeline.errors import choose

    app = open_app(run, labels)
    if choose(kind, ("known", "control"), "kind of draw") == "known":
        added = queue.draw_known(app, app.survey(), source, number, seed, "command line")
    else:
        added = queue.draw_control(app, app.survey(), number, seed, "command line")
    say(f"{added} exposures drawn as {'known answers' if kind == 'known' else 'control'}")
