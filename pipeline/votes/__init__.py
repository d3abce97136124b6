"""What votes mean: verdicts, agreement between inspectors, and who should be asked next. Pure functions."""
