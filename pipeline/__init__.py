"""The science and the storage of Triptych: from exposures to embeddings, predictions, clusters, maps, votes and lists.

Nothing in this package imports `app`, panel, holoviews, bokeh or datashader.
"""
