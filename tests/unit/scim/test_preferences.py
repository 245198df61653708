"""What a Prefer header asks for, in every form that RFC 7240 allows; what is malformed asks for nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.scim import preferences
from shared.scim.preferences import Preferences

NOTHING = Preferences()
CASES = [
    (None, NOTHING),
    ("", NOTHING),
    ("respond-async", Preferences(respond_async=True)),
    ("Respond-Async", Preferences(respond_async=True)),
    ("respond-async, wait=10", Preferences(respond_async=True, wait=10)),
    ("wait=10,respond-async", Preferences(respond_async=True, wait=10)),
    ('respond-async , WAIT = "10"', Preferences(respond_async=True, wait=10)),
    ('respond-async=""', Preferences(respond_async=True)),
    ("respond-async; foo=bar; baz, wait=10; x", Preferences(respond_async=True, wait=10)),
    ("return=minimal, respond-async", Preferences(respond_async=True)),
    ("respond-async, wait=3, wait=30", Preferences(respond_async=True, wait=3)),
    ("wait=10", Preferences(wait=10)),
    ("respond-async, wait=0", Preferences(respond_async=True)),
    ("respond-async, wait=soon", Preferences(respond_async=True)),
    ("respond-async, wait=-1", Preferences(respond_async=True)),
    ("respond-async, wait=1.5", Preferences(respond_async=True)),
    ("respond-async, wait=9999999999", Preferences(respond_async=True)),
    ("respond-async=no", NOTHING),
    ("respond async", NOTHING),
    ("x-respond-async", NOTHING),
    ('note="a, respond-async, b"', NOTHING),
    (r'note="a \", respond-async", wait=2', Preferences(wait=2)),
    ('note="never closed, respond-async', NOTHING),
    (",,respond-async,,", Preferences(respond_async=True)),
]


@pytest.mark.parametrize(("header", "expected"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_header_is_understood(header: str | None, expected: Preferences) -> None:
    assert preferences.parse(header) == expected


@given(st.text(st.sampled_from('",;=\\ abrespond-async0wait'), max_size=200))
def test_any_header_is_understood_or_ignored(header: str) -> None:
    assert preferences.parse(header).wait >= 0


def test_a_header_of_quotes_is_read_once() -> None:
    assert preferences.parse('"\\' * 8_000) == NOTHING
