"""What votes mean, as pure functions: verdicts, agreement, and who should be asked next."""
