"""File formats: how each is read and written, and which values it can hold."""
