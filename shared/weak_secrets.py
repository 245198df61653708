"""Tells secrets that are no protection: missing, short, of few characters, or among those that everybody tries."""

import re

SHORTEST = 12
FEWEST = 6
USUAL = frozenset(
    (
        *("admin", "changeme", "default", "example", "flower", "guest", "letmein", "muster", "passw", "password"),
        *("postgres", "postgresql", "qwerty", "redis", "root", "secret", "staff", "test", "token", "user", "valkey"),
        *("welcome", "xxx"),
    )
)
_NO_LETTERS = re.compile(r"[\W\d_]+")


def weakness(secret: str) -> str | None:
    """Return what is wrong with a secret, without it; None if nothing is."""
    if not secret:
        return "is not set"
    if {word for word in _NO_LETTERS.split(secret.lower()) if word} <= USUAL:
        return "is among those that everybody tries"
    if len(secret) < SHORTEST:
        return f"has fewer than {SHORTEST} characters"
    if len(set(secret)) < FEWEST:
        return f"has fewer than {FEWEST} different characters"
    return None
