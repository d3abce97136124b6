"""Learning from new votes: retraining and what it changed, and the choice of a model."""
