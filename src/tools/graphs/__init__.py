"""Pictures of imports. In a separate resolve, because no model needs Graphviz."""
