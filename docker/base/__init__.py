"""The base of all images."""
