"""The run folder: tables, previews, stages and pointers. Only this package knows paths."""
