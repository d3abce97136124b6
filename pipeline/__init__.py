"""Triptych's science and storage: exposures in, embeddings, predictions, clusters, maps, votes and lists out.

Nothing here imports `app`, panel, holoviews, bokeh or datashader.
"""
