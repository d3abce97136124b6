"""Python's garbage collector leaves alone what stays for as long as the process lives: modules, and collected tests.

It would go through all of them again and again: a quarter of the time of our imports, a seventh of that of the tests.
"""

import gc


def wait() -> None:
    """Collect nothing while modules are imported."""
    gc.disable()


def begin() -> None:
    """Collect from now on, but only what is made from now on."""
    gc.freeze()
    gc.enable()
