"""What the plain install leaves out: a feature that needs more asks here first, so that it says what to install."""

import importlib

from triptych.pipeline.errors import NotInstalled

# module -> the extra of pyproject.toml that brings it
EXTRA_OF = {
    "distributed": "dask",
    "h5py": "formats",
    "openpyxl": "formats",
    "psycopg": "postgres",
    "torch": "torch",
    "transformers": "torch",
}


def need(feature: str, *modules: str) -> None:
    """Raise NotInstalled where a feature's modules cannot all be imported. feature : as a message begins with it."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            absent = isinstance(error, ModuleNotFoundError) and error.name == module
            trouble = "is not installed" if absent else f"cannot be imported ({error})"
            raise NotInstalled(
                f'{feature} needs the package {module}, which {trouble}; try pip install "triptych[{EXTRA_OF[module]}]"'
            ) from None
