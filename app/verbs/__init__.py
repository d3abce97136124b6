"""The command line, one file per group of verbs; each calls one function and prints."""
