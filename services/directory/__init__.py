"""Keeps employees, roles, history, journal and tokens; the only package that knows SQL."""
