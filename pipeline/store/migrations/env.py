"""What Alembic runs, on the connection and inside the transaction that `migrate` gives it."""

from alembic import context

connection = context.config.attributes["connection"]
# Name the schema. Otherwise Alembic may find another program's table further down PostgreSQL's search path.
context.configure(connection=connection, version_table_schema=connection.dialect.default_schema_name)
context.run_migrations()
