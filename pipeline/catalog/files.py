"""Files and folders that are either complete or absent, also after a power cut.

They are written under a temporary name, brought to disk, then renamed. Without the middle step the name may reach the
disk before the contents, and a power cut leaves an empty file.
"""

import contextlib
import json
import os
import secrets
from pathlib import Path


def write_aside(path: Path, write) -> None:
    """Call `write(temporary_path)`, then move the result to `path` in one step. A crash leaves the old file."""
    make_folder(path.parent)
    # a process on another machine that shares the folder may have the same number
    aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.aside")
    try:
        write(aside)
        put_in_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value) -> None:
    """Write `value` as readable JSON in one step."""
    write_aside(path, lambda aside: aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n"))


def put_in_place(aside: Path, path: Path) -> None:
    """Rename a finished file or folder. When this returns, its contents and its new name are on disk.

    A file replaces the file that has the name. OSError if a folder with something in it has the name already.
    """
    sync(aside)
    os.replace(aside, path)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and the folders above it, so that what is put in place there survives a power cut."""
    missing = [own for own in (folder, *folder.parents) if not own.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for own in missing:
        sync_folder(own.parent)


def sync(path: Path) -> None:
    """Bring a file to disk, or a folder with all that is in it."""
    if path.is_dir():
        for inside in path.iterdir():
            sync(inside)
        sync_folder(path)
        return
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


def sync_folder(folder: Path) -> None:
    """Bring to disk which names are in a folder."""
    with contextlib.suppress(OSError):  # some file systems cannot do this for a folder
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
