"""The dashboard: rooms, pictures and routes over one run and one label store."""

import os

# Before Panel is imported anywhere: what Panel would fetch from its own host, it fetches from this server.
os.environ.setdefault("PANEL_CDN_ROOT", "/cdn/panel/")
