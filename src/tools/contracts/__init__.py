"""Data contracts as files, and how they change."""
