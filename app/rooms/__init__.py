"""One package per room: its view, its routes, its own tables."""
