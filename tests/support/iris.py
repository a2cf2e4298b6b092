"""The model that tests of the shared tasks run: whatever imports this is touched by its changes."""

IRIS = "models.iris.definition"
