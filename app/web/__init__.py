"""Login, the base of every route and component, the libraries that are served."""
