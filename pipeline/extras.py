"""What the plain install leaves out. A feature that needs more calls `need` first, which says what to install."""

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
    """Raise NotInstalled if a module of a feature cannot be imported. feature : the start of the error message."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            absent = isinstance(error, ModuleNotFoundError) and error.name == module
            trouble = "is not installed" if absent else f"cannot be imported ({error})"
            raise NotInstalled(
                f'{feature} needs the package {module}, which {trouble}; try pip install "triptych[{EXTRA_OF[module]}]"'
            ) from None
