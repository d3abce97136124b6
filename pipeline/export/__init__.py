"""Verdicts -> the lists other programs read, and where each line of a list comes from."""
