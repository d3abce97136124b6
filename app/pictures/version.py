"""The version of the pictures. It is part of their addresses, so that a browser may keep each version for ever."""

import hashlib

FORMAT = "2"  # raise it when the code makes other bytes from the same pixels


def picture_version(catalog):
    """The version of the pictures of a run: 12 hexadecimal digits. It is new whenever previews may have changed."""
    path = catalog.path / "ccds.parquet"
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return hashlib.sha256(f"{FORMAT} {catalog.path} {stamp}".encode()).hexdigest()[:12]
