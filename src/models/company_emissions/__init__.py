"""Estimates how much greenhouse gas a company emits for its revenue, from what it files."""
