"""`bulkId:x` is found wherever it may stand, and nothing but an id is left in its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.scim import bulk_references
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE
from tests.unit.scim.test_any_json import JSON

IDS = {"a": "id-of-a", "b": "id-of-b", "": "id-of-nothing"}

CASES: list[tuple[Any, set[str], Any]] = [
    ("bulkId:a", {"a"}, "id-of-a"),
    ("bulkid:a", {"a"}, "id-of-a"),
    ("bulkId:", {""}, "id-of-nothing"),
    (" bulkId:a", set(), " bulkId:a"),
    ("see bulkId:a", set(), "see bulkId:a"),
    ([{"value": "bulkId:a"}, {"value": "x"}], {"a"}, [{"value": "id-of-a"}, {"value": "x"}]),
    ({ENTERPRISE: {"manager": "bulkId:b"}}, {"b"}, {ENTERPRISE: {"manager": "id-of-b"}}),
    ({"bulkId:a": 1}, set(), {"bulkId:a": 1}),
    (
        {"Operations": [{"op": "remove", "path": 'members[value eq "bulkId:a" or value eq "bulkId:b"]'}]},
        {"a", "b"},
        {"Operations": [{"op": "remove", "path": 'members[value eq "id-of-a" or value eq "id-of-b"]'}]},
    ),
    ({"Path": 'members[value eq "x bulkId:a"]'}, set(), {"Path": 'members[value eq "x bulkId:a"]'}),
    ({"path": {"value": "bulkId:a"}}, {"a"}, {"path": {"value": "id-of-a"}}),
    (None, set(), None),
    (7, set(), 7),
]


@pytest.mark.parametrize(("value", "names", "resolved"), CASES)
def test_references_are_found_and_resolved(value: Any, names: set[str], resolved: Any) -> None:
    assert set(bulk_references.names(value)) == names
    assert bulk_references.resolve(value, IDS) == resolved


WITHHELD: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"displayName": "x"}, {"displayName": "x"}, {}),
    ({"manager": "bulkId:z"}, {"manager": "bulkId:z"}, {}),
    (
        {"members": [{"value": "bulkId:a"}, {"value": "bulkId:z"}]},
        {"members": [{"value": "bulkId:z"}]},
        {"members": [{"value": "bulkId:a"}]},
    ),
    ({"members": {"value": "bulkId:a"}}, {}, {"members": {"value": "bulkId:a"}}),
    (
        {ENTERPRISE.upper(): {"department": "x", "manager": {"value": "bulkId:b"}}},
        {ENTERPRISE.upper(): {"department": "x"}},
        {ENTERPRISE.upper(): {"manager": {"value": "bulkId:b"}}},
    ),
    ({f"{ENTERPRISE}:manager": "bulkId:b", "title": "x"}, {"title": "x"}, {f"{ENTERPRISE}:manager": "bulkId:b"}),
]


@pytest.mark.parametrize(("document", "kept", "withheld"), WITHHELD)
def test_only_what_refers_to_the_circle_is_withheld(
    document: dict[str, Any], kept: dict[str, Any], withheld: dict[str, Any]
) -> None:
    assert bulk_references.withhold(document, {"a", "b"}, USERS) == (kept, withheld)


REFERENCES = st.sampled_from(["bulkId:a", "bulkId:b", "x"])
DOCUMENTS = st.dictionaries(st.sampled_from(["members", "title", ENTERPRISE]), JSON | REFERENCES | st.lists(REFERENCES))


@given(value=DOCUMENTS)
def test_resolving_leaves_no_reference(value: dict[str, Any]) -> None:
    known = dict.fromkeys(bulk_references.names(value), "an-id")

    assert set(bulk_references.names(bulk_references.resolve(value, known))) == set()


@given(document=DOCUMENTS, resource_type=st.sampled_from([USERS, GROUPS]))
def test_both_parts_of_a_document_have_all_of_its_references(document: dict[str, Any], resource_type: Any) -> None:
    kept, withheld = bulk_references.withhold(document, {"a"}, resource_type)

    assert "a" not in set(bulk_references.names(kept))
    found = sorted([*bulk_references.names(kept), *bulk_references.names(withheld)])
    assert found == sorted(bulk_references.names(document))
