"""Votes, imported labels, accounts and jobs."""

import sqlalchemy as sa
from alembic import op

from triptych.pipeline.store.migrations.append_only import guard

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "store_state",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "votes",
        sa.Column("vote_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("client_vote_id", sa.Text, nullable=False, unique=True),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("expnum", sa.BigInteger, nullable=False),
        sa.Column("ccdname", sa.Text, nullable=False),
        sa.Column("plver", sa.Text, nullable=False),
        sa.Column("inspector", sa.Text, nullable=False),
        sa.Column("judgement", sa.Text, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
        sa.Column("blind", sa.Boolean, nullable=False),
        sa.Column("screen", sa.Text, nullable=False),
        sa.Column("created_utc", sa.Text, nullable=False),
        sa.Column("superseded_by", sa.BigInteger),
        sa.Column("retracted_utc", sa.Text),
        sa.CheckConstraint("judgement in ('good', 'bad', 'unsure')", name="votes_judgement"),
    )
    op.create_index(
        "votes_one_current",
        "votes",
        ["camera", "expnum", "ccdname", "plver", "inspector"],
        unique=True,
        sqlite_where=sa.text("superseded_by IS NULL AND retracted_utc IS NULL"),
        postgresql_where=sa.text("superseded_by IS NULL AND retracted_utc IS NULL"),
    )
    op.create_index("votes_expnum", "votes", ["expnum"])
    op.create_index("votes_inspector", "votes", ["inspector"])
    op.create_table(
        "imported_labels",
        sa.Column("label_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("expnum", sa.BigInteger, nullable=False),
        sa.Column("ccdname", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("imported_utc", sa.Text, nullable=False),
        sa.UniqueConstraint(
            "camera", "expnum", "ccdname", "reason", "raw", "source", "kind", name="imported_labels_once"
        ),
    )
    op.create_table(
        "imported_columns",
        sa.Column("row_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("camera", sa.Text, nullable=False),
        sa.Column("expnum", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("columns", sa.Text, nullable=False),
        sa.UniqueConstraint("camera", "expnum", "source", name="imported_columns_once"),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", sa.Float, nullable=False),
        sa.Column("created_utc", sa.Text, nullable=False),
        sa.Column("last_login_utc", sa.Text),
        sa.CheckConstraint("role in ('viewer', 'inspector', 'lead')", name="users_role"),
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parameters", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_utc", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("heartbeat", sa.Float, nullable=False),
        sa.Column("cancel_asked", sa.Boolean, nullable=False),
        sa.Column("finished_utc", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text, nullable=False),
        sa.CheckConstraint("state in ('waiting', 'running', 'done', 'failed', 'cancelled')", name="jobs_state"),
    )
    op.create_index(
        "jobs_one_open",
        "jobs",
        ["run", "kind", "parameters"],
        unique=True,
        sqlite_where=sa.text("state in ('waiting', 'running') and not cancel_asked"),
        postgresql_where=sa.text("state in ('waiting', 'running') and not cancel_asked"),
    )
    guard(
        "votes",
        "vote_id, client_vote_id, camera, expnum, ccdname, plver, inspector, judgement, reasons, comment, via, blind, "
        "screen, created_utc",
    )
    op.execute("INSERT INTO store_state (name, value) VALUES ('schema', 1), ('revision', 0)")
