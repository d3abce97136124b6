"""Backbones: CCD images -> vectors, here or on a cluster; and training a backbone on a survey."""
