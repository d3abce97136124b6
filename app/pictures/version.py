"""The version of the pictures. It is part of their addresses, so that a browser may keep each version for ever."""

import hashlib

FORMAT = "2"  # raise it when the code makes other bytes from the same pixels


def picture_version(catalog):
    """The version of the pictures of a run: 12 hexadecimal digits. It is new when a picture may have become another.

    Pictures that are added change no other, so it stays the same while exposures arrive.
    """
    made = f"{FORMAT} {catalog.path} {catalog.info.get('created', '')} {catalog.info.get('replaced', 0)}"
    return hashlib.sha256(made.encode()).hexdigest()[:12]
