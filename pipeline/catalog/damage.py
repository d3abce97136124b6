"""Reading the files of a run. Whatever is wrong inside a file, the error is one line that names it."""

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from triptych.pipeline.errors import CatalogError

FORMAT = 1  # of run.json; a later number is of a Triptych that this one does not know
DAMAGED = (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError, pa.ArrowException, zipfile.BadZipFile)
NUMBER = (int, type(None))
# what Triptych relies on in its own JSON files; other keys may follow
RUN = {"camera": str, "current": dict}
RUN_MAYBE = {"panel": NUMBER, "about": str, "labels": (str, type(None)), "format": int, "created": str, "replaced": int}
STAGE = {"name": str, "parents": list, "parameters": dict, "digest": str, "number": int}
PARENT = {"kind": str, "stage_id": str, "digest": str}


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Read a file of a run in this block. CatalogError if it is damaged, FileNotFoundError if it is absent."""
    try:
        yield
    except (CatalogError, FileNotFoundError, NotADirectoryError):
        raise
    except PermissionError:
        raise CatalogError(f"you have no permission to read {path}; ask its owner") from None
    except DAMAGED as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise CatalogError(f"{path} cannot be read ({lines[0]}); restore it from a copy") from None


def read_json(path: Path) -> Any:
    """What a JSON file holds."""
    with reading(path):
        return json.loads(path.read_text())


def read_run(path: Path) -> dict:
    """What `run.json` holds, with the keys and types that Triptych relies on."""
    found = read_json(path)
    with reading(path):
        _check(found, RUN, RUN_MAYBE)
        wrong = [kind for kind, stage_id in found["current"].items() if not isinstance(stage_id, (str, type(None)))]
        if wrong:
            raise ValueError(f"current.{wrong[0]} is no name of a stage")
    if found.get("format", FORMAT) > FORMAT:
        raise CatalogError(
            f"{path} has the format {found['format']}, but this Triptych knows {FORMAT}; update Triptych"
        )
    return found


def read_stage(path: Path) -> dict:
    """What `stage.json` holds, with the keys and types that Triptych relies on."""
    found = read_json(path)
    with reading(path):
        _check(found, STAGE)
        for parent in found["parents"]:
            _check(parent, PARENT)
    return found


def _check(found: Any, needed: Mapping, maybe: Mapping | None = None) -> None:
    """ValueError if a key is missing or holds something else."""
    if not isinstance(found, dict):
        raise ValueError("it holds no names with values")
    for name, kind in {**needed, **(maybe or {})}.items():
        if name in found and not isinstance(found[name], kind):
            raise ValueError(f"{name!r} holds {found[name]!r}")
        if name in needed and name not in found:
            raise ValueError(f"it lacks {name!r}")
