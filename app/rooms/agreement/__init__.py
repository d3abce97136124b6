"""Agreement: how well the inspectors agree."""
