"""What one user may know and judge: blindness, evidence, queue, votes and undo."""
