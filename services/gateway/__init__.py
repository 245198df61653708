"""Speaks HTTP, decides nothing: bearer tokens, request bodies, answers."""
