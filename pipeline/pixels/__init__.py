"""From FITS files and focal-plane pictures to pixels: headers, decompression, binning, sky, stretches, masks."""
