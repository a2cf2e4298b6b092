"""What a stored model may hold, and the code that decides its results."""
