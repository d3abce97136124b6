"""Learning from new votes: a retraining and what it changed, models in use, and the live neighbours between two."""
