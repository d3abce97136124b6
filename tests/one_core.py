"""Several test processes share the machine: each computes in one thread and one process, unless a test asks for more.

To be imported before anything that computes.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT"):
    os.environ.setdefault(name, "1")
