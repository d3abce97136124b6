"""What the warm parent of the tests' processes imports: all that our commands import when they are used."""

import importlib
import pkgutil

from tests import passwords
from triptych import pipeline

# These import torch, which takes seconds and half a gigabyte; the commands that need it are tested in the test itself.
WITH_TORCH = {"attentive", "dinov2", "label_curve", "masked_training", "masked_pictures", "preview_vit", "pretrain"}
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

for module in pkgutil.iter_modules(pipeline.__path__):
    if module.name not in WITH_TORCH:
        importlib.import_module(f"triptych.pipeline.{module.name}")
for name in LIBRARIES:
    importlib.import_module(name)
passwords.make_cheap()
