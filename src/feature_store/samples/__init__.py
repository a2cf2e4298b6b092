"""Seeded generators for tables that cannot be shipped."""
