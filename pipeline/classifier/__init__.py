"""Training set -> classifier -> predictions -> candidates."""
