"""Models by the hundred, and what Pants costs with them."""
