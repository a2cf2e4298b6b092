"""What a stored model may contain, and the code that determines its results."""
