"""Reads files into tables of exposures and CCDs, previews and quarantine. Notes what is new, changed or reprocessed."""
