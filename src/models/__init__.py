"""The models, one package each, and the entry points of the shared tasks."""
