"""Split labelled rows, cross-validate, fit, tune, and report."""
