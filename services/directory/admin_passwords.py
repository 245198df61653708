"""Hash admins' passwords with argon2id, and tell whether one is strong enough."""

from collections.abc import Iterable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

SHORTEST, LONGEST = 12, 256
STRONG = 3
"""Of zxcvbn's scores: 0 is guessed at once, 3 withstands 10^8 guesses, 4 withstands 10^10."""

LOOKED_AT = 64
"""What is judged of a longer one: judging takes time with the square of the length."""

# RFC 9106's second recommended option: 64 MiB, 3 passes, 4 lanes.
_HASHER = PasswordHasher()


class PasswordError(ValueError):
    """A password is too weak; the text says why."""


def check(password: str, about: Iterable[str]) -> None:
    """Raise PasswordError for a password that is short, common, or made from what is known about its owner."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise PasswordError(f"A password has {SHORTEST} to {LONGEST} characters")
    words = [part for text in about for part in (text, *text.replace("@", " ").replace(".", " ").split()) if part]
    if password.casefold() in {word.casefold() for word in words}:
        raise PasswordError("The password is your own e-mail address or name: choose one that nobody knows of you")
    if zxcvbn(password[:LOOKED_AT], user_inputs=words)["score"] < STRONG:
        raise PasswordError("This password is easily guessed: choose a longer one, for example four unrelated words")


def hashed(password: str) -> str:
    """Return what is stored of a password."""
    return _HASHER.hash(password)


def is_right(stored: str | None, password: str) -> bool:
    """Whether this is the password; where there is none it takes as long to say no."""
    try:
        return _HASHER.verify(stored or _of_nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _of_nobody() -> str:
    return _HASHER.hash("of nobody")
