"""Build the base of all images from pinned packages."""
