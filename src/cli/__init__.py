"""How a person is spoken to: errors, the skeleton of every task, terminal output."""
