"""Pixels for the browser: mosaics, thumbnails, masks and their routes."""
