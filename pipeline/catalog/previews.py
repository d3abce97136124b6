"""A digest of what a preview holds. It changes when the pixels change."""

import hashlib
import zipfile

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import CatalogError


def content_of(catalog: Catalog, expnum: int) -> str:
    """Digest (16 hex digits) of a stored preview, from the checksums in its zip directory. No pixels are read."""
    path = catalog.preview_path(expnum)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [(member.filename, member.CRC, member.file_size) for member in archive.infolist()]
    except (OSError, zipfile.BadZipFile):
        raise CatalogError(f"the preview of exposure {expnum} cannot be read; run `triptych ingest` again") from None
    return hashlib.sha256(repr(sorted(members)).encode()).hexdigest()[:16]
