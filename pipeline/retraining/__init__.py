"""Learning from new votes: retraining and what it changed, choice of a model, live neighbours between retrainings."""
