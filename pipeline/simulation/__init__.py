"""Simulated exposures with planted defects, written as the Community Pipeline writes them, and their truth."""
