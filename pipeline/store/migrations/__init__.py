"""The steps by which the label store's tables came to be what they are; `migrate` runs them when a store is opened.

A change of the tables is a new file in `versions`, its revision at the end of `migrate.REVISIONS`, and the tables in
`schema` as they are after it. A file that is released stays as it is. There is no way back: votes are never dropped.
"""
