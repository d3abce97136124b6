"""Backbones turn CCD images into vectors, on this machine or on a cluster. A backbone can be trained on a survey."""
