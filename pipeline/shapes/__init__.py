"""What stars look like at full resolution: shapes of the stars of one CCD, and how they vary over the focal plane."""
