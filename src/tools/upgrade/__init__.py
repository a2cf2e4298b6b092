"""Upgrade locked requirements."""
