"""Settings of accounts, and who was shown the votes of others."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from triptych.pipeline.store import schema

EVERYBODY = ""


class SettingsStore:
    """Settings of accounts and of the whole store. A base class of `LabelStore`, which sets `engine`."""

    engine: sa.Engine

    def setting(self, name: str, default: Any = None, owner: str = EVERYBODY) -> Any:
        """The stored value of a setting (any JSON value), or `default`. owner : an account, '' = all accounts."""
        this_setting = (schema.settings.c.owner == owner, schema.settings.c.name == name)
        with schema.reading(self.engine) as connection:
            text = connection.execute(sa.select(schema.settings.c.value).where(*this_setting)).scalar()
        return default if text is None else json.loads(text)

    def keep_setting(self, name: str, value, owner: str = EVERYBODY) -> None:
        """Store a JSON value under a name. It replaces the earlier value. owner : an account, '' = all accounts."""
        row = {"owner": owner, "name": name, "value": json.dumps(value, sort_keys=True)}
        this_setting = (schema.settings.c.owner == owner, schema.settings.c.name == name)
        with schema.writing(self.engine) as connection:
            if not connection.execute(
                schema.settings.update().where(*this_setting).values(value=row["value"])
            ).rowcount:
                connection.execute(schema.settings.insert(), row)

    def note_reveals(self, inspector: str, camera: str, expnums: Iterable[int]) -> None:
        """Note that this inspector is shown the votes of others on these exposures. Twice is no error.

        When this returns, it is on disk.
        """
        expnums = sorted({int(one) for one in expnums})
        with schema.writing(self.engine) as connection:
            known = _revealed(connection, inspector, camera, expnums)
            common = {"inspector": inspector, "camera": camera, "revealed_utc": schema.now_utc()}
            rows = [common | {"expnum": expnum} for expnum in expnums if expnum not in known]
            if rows:
                connection.execute(schema.reveals.insert(), rows)

    def reveals(self, camera: str, expnum: int) -> list[dict]:
        """Who was shown the votes of others on this exposure, and when first: [{inspector, revealed_utc}]."""
        c = schema.reveals.c
        query = sa.select(c.inspector, c.revealed_utc).where(c.camera == camera, c.expnum == int(expnum))
        with schema.reading(self.engine) as connection:
            rows = connection.execute(query.order_by(c.revealed_utc, c.inspector)).all()
        return [{"inspector": row.inspector, "revealed_utc": row.revealed_utc} for row in rows]

    def revealed(self, inspector: str, camera: str, expnums: Sequence[int] | None = None) -> set[int]:
        """Those of these expnums (None = all) of which this inspector has ever been shown the votes of others."""
        with schema.reading(self.engine) as connection:
            return _revealed(connection, inspector, camera, expnums)


def _revealed(connection: sa.Connection, inspector: str, camera: str, expnums: Sequence[int] | None) -> set[int]:
    c = schema.reveals.c
    query = sa.select(c.expnum).where(c.inspector == inspector, c.camera == camera)
    if expnums is None:
        return set(connection.execute(query).scalars())
    found: set[int] = set()
    for chunk in schema.chunks(int(expnum) for expnum in expnums):
        found |= set(connection.execute(query.where(c.expnum.in_(chunk))).scalars())
    return found
