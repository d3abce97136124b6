"""The verb that explains where the verdict on an exposure comes from."""

from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Run, open_run, open_store


def explain(
    run: Run,
    expnum: Annotated[int, typer.Argument(help="The exposure's number.", metavar="EXPNUM")],
    policy: Annotated[
        str, typer.Option(help="Policy whose verdict comes first: any, majority, unanimous or posterior.")
    ] = "majority",
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for another program.")] = False,
    labels: Labels = "",
) -> None:
    """Show where the verdict on one exposure comes from.

    Shows its line of the list, every vote and what was on screen, decisions, imported labels, what the model says and
    why, what the exposure taught, the stages and the source file.
    """
    from triptych.pipeline.export.explain import explain as find
    from triptych.pipeline.export.explain_text import as_text

    catalog = open_run(run)
    found = find(catalog, open_store(catalog, labels), expnum, policy)
    if json:
        import json as json_format

        print(json_format.dumps(found, indent=1, allow_nan=False))
    else:
        print(as_text(found))
