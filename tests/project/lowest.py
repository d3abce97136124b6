"""Constraints that name the lowest version of every dependency that pyproject.toml allows, for pip.

python -m tests.project.lowest dask formats > lowest.txt     # of the plain install and these extras
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def lowest(*extras: str) -> list[str]:
    """`name==version` of what the plain install and some extras ask for; extras of extras among them."""
    found, waiting = [], list(PROJECT["dependencies"])
    waiting += [text for extra in extras for text in PROJECT["optional-dependencies"][extra]]
    while waiting:
        name, inner, pins = re.fullmatch(r"([\w.-]+)(?:\[([\w,]+)\])?(.*)", waiting.pop(0)).groups()
        if name == PROJECT["name"]:
            waiting += [text for extra in inner.split(",") for text in PROJECT["optional-dependencies"][extra]]
            continue
        version = re.search(r"[>=]=([\w.]+)", pins)[1]
        found.append(f"{name}=={version}")
    return sorted(dict.fromkeys(found), key=str.lower)


if __name__ == "__main__":
    print(*lowest(*sys.argv[1:]), sep="\n")
