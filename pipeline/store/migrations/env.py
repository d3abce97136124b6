"""What Alembic runs: on the connection, and inside the transaction, that `migrate` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
# The schema is named, or the table of another program's Alembic further down PostgreSQL's search path would do.
context.configure(connection=connection, version_table_schema=connection.dialect.default_schema_name)
context.run_migrations()
