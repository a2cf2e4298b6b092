"""Settings objects, and the errors that are meant for people. Imports nothing of ours."""
