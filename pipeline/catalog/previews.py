"""What a preview holds, as a number that changes with its contents."""

import hashlib
import zipfile

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import CatalogError


def content_of(catalog: Catalog, expnum: int) -> str:
    """Digest of an exposure's stored preview, from the checksums in its archive's directory: nothing is decoded."""
    path = catalog.preview_path(expnum)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [(member.filename, member.CRC, member.file_size) for member in archive.infolist()]
    except (OSError, zipfile.BadZipFile):
        raise CatalogError(f"the preview of exposure {expnum} cannot be read; run `triptych ingest` again") from None
    return hashlib.sha256(repr(sorted(members)).encode()).hexdigest()[:16]
