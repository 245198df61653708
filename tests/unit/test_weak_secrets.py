"""Secrets that are no protection are told by a rule each, and never quoted."""

import pytest

from shared import weak_secrets


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "is not set"),
        ("postgres", "among those"),
        ("Password123", "among those"),
        ("change-me", "fewer than 12 characters"),
        ("admin:secret-password!", "among those"),
        ("12345678901234", "among those"),
        ("kR7#x", "fewer than 12 characters"),
        ("ababababababab", "fewer than 6 different"),
    ],
)
def test_a_weak_secret_is_told(secret: str, said: str) -> None:
    found = weak_secrets.weakness(secret)

    assert found is not None
    assert said in found
    assert not secret or secret not in found


@pytest.mark.parametrize("secret", ["correct horse battery", "9f1c07d2a85be463", "check/it:at@all#times%41"])
def test_a_long_one_of_many_characters_is_none(secret: str) -> None:
    assert weak_secrets.weakness(secret) is None
