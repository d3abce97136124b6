"""Opening the runs of a server: where each is, which cookie and secret its logins have."""

import os
import secrets
from pathlib import Path

from triptych.app.context import AppContext
from triptych.app.web.place import COOKIE, Place, cookie_of, is_part, site_of
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import put_in_place
from triptych.pipeline.errors import BadInput, CatalogError
from triptych.pipeline.store.store import open_store

SECRET_FILE = ".session-secret"
RESERVED = ("favicon.ico", "health", "login", "logout", "metrics")  # addresses of the server itself


def make_app(run, *, labels=None, blind=False, secure_cookies=False, prefix="", **more):
    """Open a run and its label store for serving.

    run : folder, or an open Catalog. labels : address of the label store, None = the run's own
    prefix : path before every address. BadInput if it cannot be one. more : away_seconds, see AppContext
    """
    (app,) = open_runs([run], labels=labels, blind=blind, secure_cookies=secure_cookies, prefix=prefix, **more)
    return app


def open_runs(runs, *, labels=None, blind=False, secure_cookies=False, prefix="", **more):
    """Open runs and their label stores for serving: an AppContext for each. One run is at the prefix itself.

    Of several, each is below it under its own name. Runs with the same label store have the same cookie and secret, so
    that one login opens them all. BadInput if two runs have one name, or a name cannot be part of an address.
    """
    site, apps = site_of(prefix), []
    names = [""] if len(runs) == 1 else [f"/{name}" for name in names_of(runs)]
    secret_of_store: dict[str, str] = {}
    try:
        for run, name in zip(runs, names, strict=True):
            catalog = run if isinstance(run, Catalog) else Catalog.open(run)
            store = open_store(catalog, labels or "")
            cookie = cookie_of(site, store.address) if site or name else COOKIE
            app = AppContext(
                catalog, store, blind=blind, secure_cookies=secure_cookies, place=Place(site, name, cookie), **more
            )
            apps.append(app)
            app.secret = secret_of_store.setdefault(store.address, secret_of(catalog))
    except Exception:
        for app in apps:
            app.store.close()
        raise
    return apps


def names_of(runs):
    """The names of several runs in their addresses: of their folders, or of the links that were given."""
    first = {}
    for run in runs:
        path = Path(os.path.abspath(run.path if isinstance(run, Catalog) else run))
        other = "; rename its folder, or serve it through a link of another name"
        if path.name in first:
            raise BadInput(f"two runs are called {path.name!r}: {first[path.name]} and {path}{other}")
        if path.resolve() in {known.resolve() for known in first.values()}:
            raise BadInput(f"{path.resolve()} is given twice; name each run once")
        if path.name in RESERVED or not is_part(path.name):
            raise BadInput(
                f"beside other runs, a run cannot be called {path.name!r}: its name is part of its address, which may "
                f"have letters, digits and . _ -, and {', '.join(RESERVED)} are taken{other}"
            )
        first[path.name] = path
    return list(first)


def secret_of(catalog):
    """The secret that signs cookies: TRIPTYCH_SECRET, or else a file in the run folder that only its owner can read.

    Raises CatalogError if the file can be neither read nor made.
    """
    if os.environ.get("TRIPTYCH_SECRET"):
        return os.environ["TRIPTYCH_SECRET"]
    path = Path(catalog.path) / SECRET_FILE
    try:
        if not path.exists():
            aside = path.with_name(f"{SECRET_FILE}.{os.getpid()}")
            aside.touch(mode=0o600)
            aside.write_text(secrets.token_urlsafe(48))
            put_in_place(aside, path)
        return path.read_text().strip()
    except OSError as error:
        raise CatalogError(
            f"{path} cannot be read or made ({error.strerror}); let this user write there, or set TRIPTYCH_SECRET"
        ) from None
