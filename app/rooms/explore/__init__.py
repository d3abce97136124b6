"""Explore: the map of the survey, its legend, thumbnails and the mosaic of one exposure."""
