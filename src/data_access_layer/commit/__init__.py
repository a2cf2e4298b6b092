"""Write tables atomically, each with its manifest."""
