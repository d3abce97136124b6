"""The demonstration: a simulated survey, and made-up people who have worked on it."""
