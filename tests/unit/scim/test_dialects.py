"""Tolerances have names of their own; messages are brought into the RFC's spelling, and wrong shapes are left alone."""

from typing import Any

import pytest

from shared.scim.dialects import patches, tolerances
from shared.scim.dialects.tolerances import Tolerance, Used


def test_every_tolerance_is_listed_once_with_its_source() -> None:
    declared = [value for value in vars(tolerances).values() if isinstance(value, Tolerance)]

    assert list(tolerances.ALL) == declared
    assert len({one.name for one in declared}) == len(declared)
    assert all(one.source and one.description for one in declared)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {},
        {"schemas": ["x"], "Operations": "x"},
        {"Operations": ["x", None, 7]},
        {"Operations": [{"op": 7, "path": 8, "value": 9}]},
        {"Operations": [{"op": "add", "path": "x", "value": {"Path": "kept"}}]},
    ],
)
def test_a_document_of_the_rfcs_spelling_or_of_another_shape_is_left_alone(document: Any) -> None:
    used: Used = set()

    assert patches.normalise(document, used) == document
    assert used == set()


@pytest.mark.parametrize(
    ("sent", "expected", "tolerance"),
    [
        ({"OPERATIONS": []}, {"Operations": []}, tolerances.KEY_CASE),
        ({"Operations": [{"Op": "add"}]}, {"Operations": [{"op": "add"}]}, tolerances.KEY_CASE),
        ({"Operations": [{"op": "Add"}]}, {"Operations": [{"op": "add"}]}, tolerances.OPERATION_CASE),
        ({"Operations": [{"path": None}]}, {"Operations": [{}]}, tolerances.EMPTY_PATH),
        ({"Operations": [{"path": ""}]}, {"Operations": [{}]}, tolerances.EMPTY_PATH),
    ],
)
def test_a_message_is_brought_into_the_rfcs_spelling(sent: Any, expected: Any, tolerance: Tolerance) -> None:
    used: Used = set()

    assert patches.normalise(sent, used) == expected
    assert used == {tolerance.name}
