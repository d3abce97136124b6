"""A survey of any size, made up, and what every command and every room costs on it."""
