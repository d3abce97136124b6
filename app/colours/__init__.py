"""What the colour of a point says, as far as this user may know."""
