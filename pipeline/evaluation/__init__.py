"""How good it is: held-out figures of classifiers and probes, with intervals and plots."""
