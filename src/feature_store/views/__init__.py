"""One module per feature view; each holds one `FeatureView` class."""
