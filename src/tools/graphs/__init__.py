"""Pictures of who imports whom; with Graphviz, which serves no model, in a resolve of its own."""
