"""Review: one exposure after the other, and the votes on it."""
