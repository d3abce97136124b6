"""Triptych's dashboard and command line; may import `pipeline`, never the other way round."""
