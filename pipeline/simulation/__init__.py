"""Simulated exposures with planted defects, in the Community Pipeline's format, and the truth about them."""
