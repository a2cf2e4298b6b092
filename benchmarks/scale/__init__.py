"""Measure Pants with hundreds of generated models."""
