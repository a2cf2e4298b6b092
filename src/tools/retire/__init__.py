"""Remove a model that nobody uses."""
