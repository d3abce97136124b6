"""Adjudicate: what the votes leave open, for leads to decide."""
