"""Deploy a model and roll it back."""
