"""Runs the whole of Muster on one machine without containers: PostgreSQL and Valkey from wheels, and all processes."""
