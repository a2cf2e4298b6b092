"""Settings for VS Code."""
