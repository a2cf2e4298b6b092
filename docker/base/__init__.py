"""The base of all images: what makes it, and what holds it to its pins."""
