"""Command lines: errors, the skeleton of every task, terminal output."""
