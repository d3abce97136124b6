"""Faults of the database behind the label store, as one line for people."""

from sqlalchemy import exc

# The values of the request do not fit the table. Everything else is a matter of the database.
OF_THE_REQUEST = (exc.DataError,)


def passing_fault(error: BaseException) -> str:
    """Why the database could not do its work now, as one line; '' if the error does not come from it.

    Such a fault passes: the database is busy, full, away, damaged until somebody restores it, or another writer was
    first. Whoever sends the same again stores it once.
    """
    if not isinstance(error, exc.SQLAlchemyError) or isinstance(error, OF_THE_REQUEST):
        return ""
    reason = str(getattr(error, "orig", None) or error).strip()
    return f"the label store cannot be used now ({reason.splitlines()[0] if reason else type(error).__name__})"
