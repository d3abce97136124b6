"""Model: what the classifier knows, how good it is, and its retrainings."""
