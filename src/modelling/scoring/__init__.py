"""Predict tables in batches, on threads or on Dask workers."""
