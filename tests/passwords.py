"""Password hashes with the smallest costs there are: the same algorithm, and no tenth of a second for each login."""

from triptych.pipeline.store import accounts


def make_cheap() -> None:
    """From now on this process, and what is forked from it, hashes cheaply. Passwords of tests protect nothing."""
    accounts._hasher = accounts.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts._hash_of_nobody.cache_clear()
    accounts._hash_of_nobody()
