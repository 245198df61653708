"""The form of a token: found by scanners, refused when mistyped."""

import pytest

from services.directory import token_secrets


def test_a_token_has_its_prefix_and_checksum() -> None:
    secret = token_secrets.generate()

    assert secret.startswith("mst_")
    assert len(secret) == 4 + 43 + 6
    assert token_secrets.is_well_formed(secret)


def test_no_two_tokens_are_alike() -> None:
    assert len({token_secrets.generate() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("spoil", [str.lower, lambda s: s[:-1], lambda s: s + "x", lambda s: s[4:], lambda s: "x" + s])
def test_a_mistyped_token_is_seen_without_a_look_into_the_database(spoil: object) -> None:
    assert callable(spoil)

    assert not token_secrets.is_well_formed(spoil(token_secrets.generate()))


def test_one_wrong_character_is_seen() -> None:
    secret = token_secrets.generate()
    other = "A" if secret[10] != "A" else "B"

    assert not token_secrets.is_well_formed(secret[:10] + other + secret[11:])
