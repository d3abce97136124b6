"""What happened to accounts: who logged in or failed to, and who changed what."""

import sqlalchemy as sa
from alembic import op

from triptych.pipeline.store.migrations.append_only import guard

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "account_events",
        sa.Column("event_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("created_utc", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
    )
    op.create_index("account_events_name", "account_events", ["name"])
    guard("account_events", 'event_id, created_utc, what, name, "by", address, details')
