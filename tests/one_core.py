"""Each test process computes in one thread and one process, as several share the machine. A test may ask for more.

Import this module before any module that computes.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
    os.environ.setdefault(name, "1")
