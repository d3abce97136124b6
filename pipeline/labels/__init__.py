"""Labels read from lists, their doubts, and the training set that they and the votes make."""
