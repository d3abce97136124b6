"""What vectors alone tell: reduction, nearest neighbours, clusters, t-SNE maps, similar images."""
