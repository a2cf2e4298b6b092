"""Git, Pants, and the repository's files."""
