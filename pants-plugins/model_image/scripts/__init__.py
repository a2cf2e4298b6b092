"""Programs that make, describe and publish images."""
