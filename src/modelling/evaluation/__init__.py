"""Metrics, and the comparison of a version with its gate and the champion."""
