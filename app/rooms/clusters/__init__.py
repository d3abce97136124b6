"""Clusters: groups of images that look alike, judged together."""
