"""What docker/audit.py is made of."""
