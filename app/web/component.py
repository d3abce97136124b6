"""Base of our own browser components. Their code is in plain modules under static/; Python only names the file.

A component is a class with `_module = "map/map.js"`. That module exports `mount(el, model)`. It may return a function,
which is called when the component leaves the page. A component mounts when it first becomes visible, so that a room
that nobody opens costs nothing.

Modules import each other by relative paths, and the version is part of the path. So a browser may keep every file for
ever and still never mixes two versions.
"""

import hashlib
import threading
from functools import lru_cache
from pathlib import Path

import panel as pn
import param
from cachetools import TTLCache, cached

STATIC = Path(__file__).resolve().parents[2] / "static"

# static/basics/native_import.js keeps the browser's own import(): Panel's polyfill would fetch every module as text and
# rewrite it.
LOADER = """
export function render({ model, el }) {
  const box = document.createElement('div');
  box.className = 'fill';
  const base = new URL(model.assets_base, document.baseURI).href;
  window.nativeImport(base + '/frame/load.js').then(module => module.load(box, model, base, '%(module)s', '%(mount)s'));
  return box;
}
"""


@cached(TTLCache(1, ttl=1.0), lock=threading.Lock())
def assets_version():
    """Hash of everything under static/, as 12 hexadecimal digits. It is new within a second after a file changes.

    It is kept for a second, because a page with an empty cache asks for it a hundred times.
    """
    stats = tuple(
        (path.relative_to(STATIC).as_posix(), path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(STATIC.rglob("*"))
        if path.is_file()
    )
    return _hash_of(stats)


@lru_cache(maxsize=4)
def _hash_of(stats):
    digest = hashlib.sha256()
    for name, _, _ in stats:
        digest.update(name.encode())
        digest.update((STATIC / name).read_bytes())
    return digest.hexdigest()[:12]


def assets_base():
    """Address of this version of the front end, relative to the page: assets/v-0a1b2c3d4e5f."""
    return f"assets/v-{assets_version()}"


class EsModule(pn.custom.JSComponent):
    """A component whose browser code is static/<_module>. Its function <_mount> is called with (box, model)."""

    _module = ""
    _mount = "mount"

    assets_base = param.String(default="", doc="Path of this version of static/; set when the component is made.")
    assets_version = param.String(default="", doc="Hash of static/.")

    __abstract = True

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if cls._module:
            cls._esm = LOADER % {"module": cls._module, "mount": cls._mount}

    def __init__(self, **params):
        params.setdefault("sizing_mode", "stretch_both")
        params.setdefault("assets_version", assets_version())
        params.setdefault("assets_base", assets_base())
        super().__init__(**params)
