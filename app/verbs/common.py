"""What the verbs of the command line share: arguments, opening the run and its label store, and printing."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from triptych.app.verbs.progress import console

Run = Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN")]
Sources = Annotated[
    list[Path],
    typer.Argument(help="FITS files, folders of them, or folders of focal-plane pictures.", metavar="SOURCE"),
]
Labels = Annotated[
    str,
    typer.Option(
        help="Address of the label store, or @FILE with the address in its first line. Default: labels.db in the run "
        "folder.",
        envvar="TRIPTYCH_LABELS",
        show_envvar=True,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of all random choices.")]
Policy = Annotated[str, typer.Option(help="How votes become labels: any, majority, unanimous or posterior.")]


@dataclass(frozen=True)
class TrainingOptions:
    """How the training set is made. Each field is an option of every verb that `takes_training_options`."""

    good_pool: Annotated[
        str,
        typer.Option(
            help="Which images count as good: labelled (only those labelled good), unlisted (also CCDs of exposures in "
            "no list that pass the survey's cuts) or published (also all CCDs of an exposure if one passes)."
        ),
    ] = "labelled"
    good_exposures: Annotated[int, typer.Option(help="Number of unlisted exposures to draw; 0 = all.")] = 2000
    good_ccds: Annotated[int, typer.Option(help="Number of CCDs of each drawn exposure; 0 = all.")] = 6
    balance: Annotated[
        str,
        typer.Option(
            help="none, or published: leave out 2/3 of the clouds, 1/2 of the ghosts and 1/4 of the NObjects images."
        ),
    ] = "none"
    upweight: Annotated[
        bool,
        typer.Option(help="Count the remaining images of these reasons 3, 2 and 4/3 times, as in the published text."),
    ] = False
    simulated: Annotated[
        bool,
        typer.Option(help="Also use simulated CCDs, if that improves the answers about the survey's own labels."),
    ] = True
    survey_ccds: Annotated[
        list[Path] | None,
        typer.Option(help="survey-ccds table (FITS) with ccd_cuts and perhaps ebv. Can be repeated."),
    ] = None

    def chosen(self) -> dict:
        """The keyword arguments `recipe` and `survey` of the functions that train."""
        from triptych.pipeline.labels.recipe import Recipe
        from triptych.pipeline.labels.survey_ccds import left_out_in_words, read

        recipe = Recipe(
            self.good_pool, self.balance, self.upweight, self.good_exposures, self.good_ccds, self.simulated
        )
        survey = read(self.survey_ccds) if self.survey_ccds else None
        if survey is not None and (left := left_out_in_words(survey)):
            say(left)
        return {"recipe": recipe, "survey": survey}


def takes_training_options(verb: Callable) -> Callable:
    """Replace a verb's parameter `training` by options, one for each field of TrainingOptions."""
    given = inspect.signature(verb)
    options = [
        inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.type)
        for option in fields(TrainingOptions)
    ]
    shown = [own.replace(kind=inspect.Parameter.KEYWORD_ONLY) for own in given.parameters.values()]
    place = list(given.parameters).index("training")

    @wraps(verb)
    def with_options(**words):
        training = TrainingOptions(**{option.name: words.pop(option.name, option.default) for option in options})
        return verb(training=training, **words)

    signature = given.replace(parameters=[*shown[:place], *options, *shown[place + 1 :]])
    with_options.__signature__ = signature  # pyright: ignore[reportAttributeAccessIssue]  # where typer looks
    return with_options


def open_run(folder: Path):
    from triptych.pipeline.catalog.catalog import Catalog

    return Catalog.open(folder)


def open_store(catalog, labels: str = ""):
    from triptych.pipeline.store.store import open_store as open_known

    return open_known(catalog, labels)


FILE_WIDTH = 10_000  # width of output that is not a terminal, so that nothing is wrapped or cut


def say(text: str) -> None:
    """Print a message to standard error: what was done, or what to do next."""
    console.print(text, soft_wrap=True)


def print_result(result: str | Table) -> None:
    """Print the result of a verb to standard output, where a file or another program may take it."""
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = FILE_WIDTH
    out.print(result, soft_wrap=isinstance(result, str))


def print_frame(frame, title: str) -> None:
    table = Table(*map(str, frame.columns), title=title, box=None, title_justify="left")
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    print_result(table)
