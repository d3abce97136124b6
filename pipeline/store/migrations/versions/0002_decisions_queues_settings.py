"""Leads' decisions, queues' draws and leases, repeated judgements, reveals and settings."""

import sqlalchemy as sa
from alembic import op

from triptych.pipeline.store.migrations.append_only import guard

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "adjudications",
        sa.Column("adjudication_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("client_vote_id", sa.Text, nullable=False, unique=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("expnum", sa.BigInteger, nullable=False),
        sa.Column("plver", sa.Text, nullable=False),
        sa.Column("lead", sa.Text, nullable=False),
        sa.Column("judgement", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("votes_seen", sa.Text, nullable=False),
        sa.Column("created_utc", sa.Text, nullable=False),
        sa.Column("superseded_by", sa.BigInteger),
        sa.Column("retracted_utc", sa.Text),
        sa.CheckConstraint("judgement in ('good', 'bad')", name="adjudications_judgement"),
    )
    op.create_index(
        "adjudications_one_current",
        "adjudications",
        ["camera", "expnum", "plver"],
        unique=True,
        sqlite_where=sa.text("superseded_by IS NULL AND retracted_utc IS NULL"),
        postgresql_where=sa.text("superseded_by IS NULL AND retracted_utc IS NULL"),
    )
    op.create_table(
        "repeats",
        sa.Column("repeat_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("client_vote_id", sa.Text, nullable=False, unique=True),
        sa.Column("vote_id", sa.BigInteger, nullable=False),
        sa.Column("inspector", sa.Text, nullable=False),
        sa.Column("judgement", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("screen", sa.Text, nullable=False),
        sa.Column("created_utc", sa.Text, nullable=False),
    )
    op.create_index("repeats_inspector", "repeats", ["inspector"])
    op.create_table(
        "draws",
        sa.Column("draw_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("expnum", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("judgement", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_utc", sa.Text, nullable=False),
        sa.CheckConstraint("kind in ('known', 'control')", name="draws_kind"),
        sa.UniqueConstraint("camera", "expnum", "kind", name="draws_once"),
    )
    op.create_table(
        "leases",
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("expnum", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("inspector", sa.Text, primary_key=True),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_table(
        "reveals",
        sa.Column("inspector", sa.Text, primary_key=True),
        sa.Column("camera", sa.Text, primary_key=True),
        sa.Column("expnum", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("revealed_utc", sa.Text, nullable=False),
    )
    op.create_table(
        "settings",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    guard(
        "adjudications",
        "adjudication_id, client_vote_id, camera, expnum, plver, lead, judgement, reasons, comment, votes_seen, "
        "created_utc",
    )
    guard("repeats", "repeat_id, client_vote_id, vote_id, inspector, judgement, reasons, screen, created_utc")
    # Versions of Triptych from before Alembic read only this number, and refuse anything above 2.
    op.execute("UPDATE store_state SET value = 2 WHERE name = 'schema'")
