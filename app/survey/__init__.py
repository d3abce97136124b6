"""Tables of one run under one prediction, shared by all sessions; search and neighbours in time."""
