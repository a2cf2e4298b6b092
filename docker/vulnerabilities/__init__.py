"""The parts of docker/audit.py."""
