"""Metrics, and how a version compares with its gate and the champion."""
