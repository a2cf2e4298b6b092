"""Queries: columns, filters and points in time, and their SQL."""
