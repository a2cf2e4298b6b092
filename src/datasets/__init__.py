"""Contracts: what a table must look like. Nothing is read or written here."""
