"""The imports of the warm parent of the tests' processes: all modules that our commands import when they run."""

import importlib
import pkgutil

from tests import process

process.wait()

from tests import passwords  # noqa: E402
from triptych import pipeline  # noqa: E402

# These import torch, which takes seconds and 0.5 GB. Commands that need torch run in the test process itself.
WITH_TORCH = {"attentive_probe", "dinov2", "masked_training", "preview_vit", "pretrain"}
PROGRAMS = ("triptych.app.server", "triptych.app.worker", "triptych.app.cli")
LIBRARIES = (
    "alembic.command",
    "hdbscan",
    "openTSNE",
    "matplotlib.figure",
    "scipy.stats",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.decomposition",
)

for module in pkgutil.walk_packages(pipeline.__path__, "triptych.pipeline."):
    if module.name.split(".")[-1] not in WITH_TORCH and ".migrations." not in module.name:  # Alembic runs those
        importlib.import_module(module.name)
for name in (*PROGRAMS, *LIBRARIES):
    importlib.import_module(name)
passwords.make_cheap()
process.begin()
