"""The Idempotency-Key header: a structured field's string, with or without its quotes."""

import pytest

from shared.scim import idempotency_keys
from shared.scim.errors import InvalidValueError


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (' "a" ', "a"),
        ('"two words, and a comma"', "two words, and a comma"),
        (r'"a \"quoted\" \\ one"', r'a "quoted" \ one'),
        (f'"{"k" * idempotency_keys.LONGEST}"', "k" * idempotency_keys.LONGEST),
        (None, None),
    ],
)
def test_a_key_is_read_from_its_header(header: str | None, key: str | None) -> None:
    assert idempotency_keys.parse(header) == key


@pytest.mark.parametrize(
    "header",
    [
        *("", '""', '"', '"open', 'open"', r'"\n"', r'"\"', '"a", "b"', "a, b", "a;p=1", '"a";p=1', "a b", "ü", '"ü"'),
        "k" * (idempotency_keys.LONGEST + 1),
        '"a\tb"',
    ],
)
def test_what_is_no_string_is_refused(header: str) -> None:
    with pytest.raises(InvalidValueError, match="Idempotency-Key"):
        idempotency_keys.parse(header)
