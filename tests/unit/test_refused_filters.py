"""What is noted of a query takes time in proportion to its filter, also of one that is refused for its length."""

import time
from collections.abc import Callable

import pytest
from flask import Flask, g

from services.directory.traffic import Kind
from services.gateway import request_kinds
from shared.scim import excerpts
from shared.scim.resource_types import USERS
from shared.scim.searches import Search

SHORT, LONG = 512, 8_192
MOST_GROWTH = 4 * LONG / SHORT
"""What reads a text once grows with it; what reads it again from each letter grows with its square, 16 times this."""


def _excerpt(text: str) -> None:
    assert excerpts.of_filter(text, USERS).content is None


def _kind(text: str) -> None:
    with Flask("query").test_request_context("/Users/.search", method="POST"):
        g.search = Search(filter=text)

        assert request_kinds.kind("/Users/.search") is Kind.MATCH


@pytest.mark.parametrize("read", [_excerpt, _kind])
@pytest.mark.parametrize("letter", ["a", ".", ":", " "])
def test_a_long_filter_is_noted_in_a_time_that_grows_with_its_length(read: Callable[[str], None], letter: str) -> None:
    short = min(_seconds(read, letter * SHORT) for _ in range(20))
    long = min(_seconds(read, letter * LONG) for _ in range(20))

    assert long / short < MOST_GROWTH


def _seconds(read: Callable[[str], None], text: str) -> float:
    start = time.process_time()
    read(text)
    return time.process_time() - start
