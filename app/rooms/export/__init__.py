"""Export: the list of bad exposures, and where each line of it comes from."""
