"""How good classifiers and probes are on held-out exposures: figures, intervals and plots."""
