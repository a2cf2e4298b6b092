"""Split, cross-validate, fit, tune, and report on it."""
