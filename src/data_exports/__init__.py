"""Export tables: written to a temporary place, renamed when complete, each with its manifest."""
