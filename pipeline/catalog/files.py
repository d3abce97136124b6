"""Files that are either complete or absent: written under a temporary name, then renamed."""

import json
import os
from pathlib import Path


def write_aside(path: Path, write) -> None:
    """Call `write(temporary_path)`, then move the result to `path` in one step. A crash leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.aside")
    try:
        write(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    """Write `value` as readable JSON in one step."""
    write_aside(path, lambda aside: aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n"))
