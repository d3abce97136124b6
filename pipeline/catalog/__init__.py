"""The run folder: tables, previews, stages and pointers. The only package that knows paths."""
