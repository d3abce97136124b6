"""From a training set to a classifier, to predictions, to candidates for inspection."""
