"""Predicts the species of an iris flower from four measurements."""
