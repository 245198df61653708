"""Outcomes survive the channel and the journal, and nothing else gets through."""

import orjson
import pytest

from services.directory import ids
from shared import outcomes
from shared.outcomes import Outcome

GOOD = Outcome(operation_id=ids.new(), status=200, resource={"id": "x"}, is_complete=False)


def test_an_outcome_is_the_same_after_the_channel() -> None:
    assert outcomes.decode(outcomes.encode(GOOD)) == (GOOD.operation_id, GOOD)


def test_an_outcome_is_the_same_after_the_journal() -> None:
    assert outcomes.from_document(GOOD.operation_id, orjson.loads(orjson.dumps(GOOD.document()))) == GOOD


def test_a_large_outcome_is_announced_by_its_id() -> None:
    large = Outcome(operation_id=ids.new(), status=200, resource={"x": "x" * outcomes.LARGEST_MESSAGE})

    assert outcomes.decode(outcomes.encode(large)) == (large.operation_id, None)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"id": 7}',
        b'{"id": "x"}',
        b'{"id": "01a20a4c-8cac-7161-8262-5fdf177381cc", "outcome": 7}',
        b'{"id": "01a20a4c-8cac-7161-8262-5fdf177381cc", "outcome": {"unknown": 1}}',
    ],
)
def test_garbage_is_not_an_outcome(message: bytes) -> None:
    assert outcomes.decode(message) is None
