"""FITS files and focal-plane pictures -> pixels: headers, decompression, binning, sky, stretches, masks."""
