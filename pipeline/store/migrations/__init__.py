"""The steps that made the label store's tables what they are. `migrate` runs them when a store is opened.

To change the tables: add a file in `versions`, add its revision at the end of `migrate.REVISIONS`, and change `schema`
to match. Never change a file that was released. There are no downgrades: votes are never dropped.
"""
