"""Writes verdicts as lists for other programs, and shows where each line of a list comes from."""
