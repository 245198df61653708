"""A person is taken out of JSON about others, and the rest stays."""

from typing import Any

import pytest

from services.directory import scrubbing

ADA, BOB = "01a20a49-a7b3-7142-9afb-9c2853eadbfb", "01a20a49-a82d-73c0-b2d9-1cfd8ec0fb9c"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"value": ADA, "display": "Ada", "type": "User"}, {"value": ADA, "display": "erased", "type": "User"}),
        ({"value": BOB, "display": "Ada"}, {"value": BOB, "display": "Ada"}),
        ([{"manager": {"value": ADA, "displayName": "Ada"}}], [{"manager": {"value": ADA, "displayName": "erased"}}]),
        ({"path": 'members[display eq "Ada"]'}, {"path": 'members[display eq "erased"]'}),
        ({"path": 'members[display eq "Adam"]'}, {"path": 'members[display eq "Adam"]'}),
        ({"title": "Ada", "active": True, "n": 1, "x": None}, {"title": "Ada", "active": True, "n": 1, "x": None}),
    ],
)
def test_only_what_is_the_persons_own_goes(document: Any, expected: Any) -> None:
    assert scrubbing.scrubbed(document, ADA, {"Ada"}) == expected


@pytest.mark.parametrize(("method", "request_", "expected"), [("PATCH", [{"op": "add"}], []), ("POST", {"a": 1}, {})])
def test_a_blank_request_has_the_form_of_its_method(method: str, request_: Any, expected: Any) -> None:
    assert scrubbing.blank_request(method, request_) == expected
    assert scrubbing.blank_request(method, None) is None
