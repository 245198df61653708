"""Outcomes survive the channel and the journal, and nothing else gets through."""

import hmac

import orjson
import pytest

from services.directory import ids
from shared import outcomes
from shared.outcomes import Fault, MessageError, Outcome

KEY = b"k" * 32
GOOD = Outcome(operation_id=ids.new(), status=200, resource={"id": "x"}, is_complete=False)


def test_an_outcome_is_the_same_after_the_channel() -> None:
    assert outcomes.decode(KEY, outcomes.encode(KEY, GOOD)) == (GOOD.operation_id, GOOD)


def test_an_outcome_is_the_same_after_the_journal() -> None:
    assert outcomes.from_document(GOOD.operation_id, orjson.loads(orjson.dumps(GOOD.document()))) == GOOD


def test_a_large_outcome_is_announced_by_its_id() -> None:
    large = Outcome(operation_id=ids.new(), status=200, resource={"x": "x" * outcomes.LARGEST_MESSAGE})

    assert outcomes.decode(KEY, outcomes.encode(KEY, large)) == (large.operation_id, None)


def test_what_a_newer_version_says_besides_is_left_out() -> None:
    document = GOOD.document() | {"mood": "good"}

    assert outcomes.from_document(GOOD.operation_id, document) == GOOD


SEALED = outcomes.encode(KEY, GOOD)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        pytest.param(b"", Fault.SEAL, id="empty"),
        pytest.param(b"nonsense", Fault.SEAL, id="nonsense"),
        pytest.param(SEALED[outcomes.SEAL_BYTES :], Fault.SEAL, id="no seal"),
        pytest.param(outcomes.encode(b"x" * 32, GOOD), Fault.SEAL, id="another key"),
        pytest.param(SEALED.replace(b"200", b"201"), Fault.SEAL, id="another status"),
        pytest.param(SEALED.replace(str(GOOD.operation_id).encode(), str(ids.new()).encode()), Fault.SEAL, id="other"),
        pytest.param(SEALED + b" ", Fault.SEAL, id="longer"),
        pytest.param(SEALED[:-1], Fault.SEAL, id="shorter"),
        pytest.param(b"x" * (outcomes.LARGEST_MESSAGE + 33), Fault.SIZE, id="huge"),
    ],
)
def test_what_is_not_sealed_is_not_looked_at(message: bytes, fault: Fault) -> None:
    with pytest.raises(MessageError) as caught:
        outcomes.decode(KEY, message)

    assert caught.value.fault is fault


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b'{"id": 7}',
        b'{"id": "x"}',
        b'{"id": "01a20a4c-8cac-7161-8262-5fdf177381cc", "outcome": 7}',
        b'{"id": "01a20a4c-8cac-7161-8262-5fdf177381cc", "outcome": {"unknown": 1}}',
    ],
)
def test_what_is_sealed_and_of_another_form_is_no_outcome(content: bytes) -> None:
    with pytest.raises(MessageError) as caught:
        outcomes.decode(KEY, hmac.digest(KEY, content, "sha256") + content)

    assert caught.value.fault is Fault.FORM
