"""The evaluation as one HTML file: HoloViews charts and tables."""
