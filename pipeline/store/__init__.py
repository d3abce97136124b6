"""The label store: votes, decisions, imported labels, accounts, jobs and settings, in SQLite or PostgreSQL."""
