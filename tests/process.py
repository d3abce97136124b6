"""What each test process sets before anything else: one thread and one process to compute with, as several share the
machine (a test may ask for more), and a garbage collector that leaves alone what stays as long as the process lives.

It would go through all modules and collected tests again and again: a quarter of the time of our imports, a seventh of
that of the tests. Import this module before any module that computes.
"""

import gc
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
    os.environ.setdefault(name, "1")


def wait() -> None:
    """Collect nothing while modules are imported."""
    gc.disable()


def begin() -> None:
    """Collect from now on, but only what is made from now on."""
    gc.freeze()
    gc.enable()
