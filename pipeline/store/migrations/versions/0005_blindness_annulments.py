"""Who was a lead until when, and judgements that a lead annulled."""

import sqlalchemy as sa
from alembic import op

from triptych.pipeline.store.migrations.append_only import guard

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "former_leads",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("until_utc", sa.Text, nullable=False),
    )
    op.create_table(
        "annulments",
        sa.Column("annulment_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("vote_id", sa.BigInteger, nullable=False, unique=True),
        sa.Column("lead", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("created_utc", sa.Text, nullable=False),
    )
    guard("annulments", "annulment_id, vote_id, lead, why, created_utc")
