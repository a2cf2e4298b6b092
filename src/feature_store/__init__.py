"""Features: views on tables, columns computed from others, and joins that never see the future."""
