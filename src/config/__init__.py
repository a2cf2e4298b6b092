"""Settings objects, and what each environment sets."""
