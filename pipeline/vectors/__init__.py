"""What can be done with vectors alone: reduction, nearest neighbours, clusters, t-SNE maps, similar images."""
