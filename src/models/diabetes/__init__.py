"""Predicts how far a patient's diabetes progresses within a year, from ten measurements."""
