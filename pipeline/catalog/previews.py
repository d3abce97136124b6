"""A digest of what a preview holds. It changes when the pixels change."""

import hashlib
import zipfile
from contextlib import suppress

import pandas as pd

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


def with_digests(catalog: Catalog, exposures: pd.DataFrame) -> pd.DataFrame:
    """A run's table of exposures with `preview_digest` where an earlier version of Triptych left it out.

    It stays empty where there is no sound preview.
    """
    exposures = exposures.reindex(columns=[*dict.fromkeys([*exposures, "preview_digest"])])
    missing = exposures.preview_digest.fillna("") == ""
    if missing.any():
        exposures = exposures.assign(preview_digest=exposures.preview_digest.astype("str").where(~missing, ""))
        found = {}
        for expnum in exposures.expnum[missing]:
            with suppress(CatalogError):
                found[expnum] = content_of(catalog, expnum)
        exposures.loc[missing, "preview_digest"] = exposures.expnum[missing].map(found).fillna("").astype("str")
    return exposures
