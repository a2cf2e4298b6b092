"""Tables that appear whole or not at all, each with its manifest."""
