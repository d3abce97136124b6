"""How fast it is, and what it needs, as ratios against the alternative."""
