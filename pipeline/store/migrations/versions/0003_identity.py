"""A random number that tells this store from every other one, so that a run knows its own again."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    state = sa.table("store_state", sa.column("name", sa.Text), sa.column("value", sa.BigInteger))
    op.bulk_insert(state, [{"name": "identity", "value": secrets.randbits(63)}])
