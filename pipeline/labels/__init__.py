"""Lists of labels read in, labels that are likely wrong, and the training set made from labels and votes."""
