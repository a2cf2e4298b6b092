"""The models, one package each, and the entry points of the tasks that they share."""
