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
    """Show the settings of the queue, and how many votes they ask for."""
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
        str | None,
        typer.Option(help="score, uncertainty, gain, similar, night or random, for inspectors who choose no order."),
    ] = None,
    packet: Annotated[
        str | None, typer.Option(help="A part of the queue, such as 'band=g;month=2013-10'; '' is the whole queue.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option(help="all: everybody votes on everything; adaptive: a third vote only where needed.")
    ] = None,
    control: Annotated[float | None, typer.Option(help="Share of exposures that get all votes anyway.")] = None,
    strong: Annotated[
        float | None, typer.Option(help="Probability from which the model counts as strongly against the votes.")
    ] = None,
    repeats: Annotated[
        float | None, typer.Option(help="Share of the queue that repeats the inspector's own earlier votes.")
    ] = None,
    repeat_age: Annotated[int | None, typer.Option(help="Least number of votes between a vote and its repeat.")] = None,
    known: Annotated[float | None, typer.Option(help="Share of exposures with a known answer.")] = None,
    ask_again: Annotated[
        bool | None, typer.Option(help="Ask again if a new pipeline version of an exposure looks the same.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all orders and draws.")] = None,
    try_only: Annotated[bool, typer.Option("--try", help="Only say how many votes it would ask for.")] = False,
    labels: Labels = "",
) -> None:
    """Change the settings of the queue. Settings that you do not name stay as they are."""
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
        raise BadInput("nothing to change; name a setting, as in --rule adaptive; `triptych queue show` lists them")
    app = open_app(run, labels)
    effect = queue.effect(app, app.survey(), values)
    if not try_only:
        queue.keep_settings(app, app.survey(), values)
    verb = "would ask" if try_only else "asks"
    say(f"the queue {verb} for {range_of(effect)} more votes on {effect['n_exposures']} exposures")


def draw(
    run: Run,
    kind: Annotated[str, typer.Argument(help="known or control.", metavar="KIND")],
    number: Annotated[int, typer.Argument(help="How many exposures.", metavar="N", min=1)],
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
