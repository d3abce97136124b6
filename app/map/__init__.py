"""Points of the map for the browser: places, colour bytes, regions, selections."""
