"""Password hashes with the lowest cost. The algorithm is the same, but a login does not take a tenth of a second."""

from triptych.pipeline.store import accounts


def make_cheap() -> None:
    """Make this process and its forks hash cheaply from now on. Passwords of tests protect nothing."""
    accounts._hasher = accounts.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    accounts._hash_of_nobody.cache_clear()
    accounts._hash_of_nobody()
