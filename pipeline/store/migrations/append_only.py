"""Triggers that make the database refuse to delete from a table or to rewrite it.

Released migrations use this file: never change the SQL that it executes.
"""

from alembic import op


def guard(table: str, fixed: str) -> None:
    """Add the triggers to a table. fixed : the columns that never change, as a comma-separated SQL list."""
    never = {"deleted": "DELETE", "changed": f"UPDATE OF {fixed}"}
    if op.get_bind().dialect.name == "sqlite":
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} are append-only'); END"
    else:
        op.execute(
            f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} are append-only'; END $$"
        )
        refuse = f"FOR EACH ROW EXECUTE FUNCTION {table}_append_only()"
    for word, act in never.items():
        op.execute(f"CREATE TRIGGER {table}_never_{word} BEFORE {act} ON {table} {refuse}")
