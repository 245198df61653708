"""The shape of a PATCH message tells what is wrong with it, and never a value."""

from typing import Any

import pytest

from shared.scim.dialects import shapes

SECRET = "Zebulon Secret"
URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.mark.parametrize(
    ("operation", "shape"),
    [
        ({"op": "Replace", "path": "active", "value": "False"}, {"op": "Replace", "path": "active", "value": "string"}),
        ({"OP": "add", "Path": None, "VALUE": True}, {"OP": "add", "Path": "null", "VALUE": "boolean"}),
        ({"op": 7, "path": ["x"], "value": 0.5}, {"op": "number", "path": ["string"], "value": "number"}),
        ({"op": SECRET, "path": SECRET}, {"op": "?", "path": "?"}),
        (
            {"value": {"name.givenName": SECRET, f"{URN}:department": None, SECRET: 1}},
            {"value": {"name.givenName": "string", f"{URN}:department": "null", "?": "number"}},
        ),
        ({"value": [{"value": SECRET}] * 5}, {"value": [{"value": "string"}] * 3}),
        ({"value": [[[[[1]]]]]}, {"value": [[[["array"]]]]}),
        ({"value": {"a": {"a": {"a": {"a": {"a": 1}}}}}}, {"value": {"a": {"a": {"a": {"a": "object"}}}}}),
        ("text", "string"),
        (None, "null"),
    ],
)
def test_an_operation_is_told_by_names_and_types(operation: Any, shape: Any) -> None:
    assert shapes.of({"schemas": ["x"], "Operations": [operation]}) == [shape]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f'emails[type eq "{SECRET}"].value', 'emails[type eq "?"].value'),
        (f'emails[type eq "a\\"{SECRET}" and (primary eq true)]', 'emails[type eq "?" and (primary eq true)]'),
        ("members[value eq Zebulon]", "members[value eq ?]"),
        (f'members[value eq "{SECRET}', 'members[value eq "?"? ?'),
        (f"members[value pr].{SECRET}", "members[value pr]?"),
        (f"{SECRET}[value pr]", "?[value pr]"),
        (f"{URN}:manager", f"{URN}:manager"),
    ],
)
def test_a_path_keeps_what_is_known_of_it(path: str, shown: str) -> None:
    assert shapes.of({"operations": [{"path": path}]}) == [{"path": shown}]


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ([SECRET], ["string"]),
        ({"Operations": SECRET}, {"Operations": "string"}),
        ({"schemas": [SECRET], "active": False}, {"schemas": ["string"], "active": "boolean"}),
        ({"Operations": [{}] * 50}, [{}] * 10),
        ({"Operations": [{f"k{i}": 1 for i in range(50)}]}, [{f"k{i}": "number" for i in range(20)}]),
    ],
)
def test_a_message_of_any_form_has_a_shape_of_a_bounded_size(message: Any, shape: Any) -> None:
    assert shapes.of(message) == shape
