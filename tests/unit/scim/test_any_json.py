"""Whatever JSON a client sends, the answer is a result or an error of the protocol, and the input is left as it was."""

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.scim import messages, patch, patching, projection, validation, versions
from shared.scim.attributes import ResourceType
from shared.scim.errors import SCIMError
from shared.scim.resource_types import GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE, HOME, THINGS, WORK
from tests.unit.scim.filter_cases import ADA

RESOURCE_TYPES = st.sampled_from([USERS, GROUPS, THINGS])
NAMES = sorted(
    {
        name
        for resource_type in (USERS, GROUPS, THINGS)
        for schema, attribute in resource_type.walk()
        for name in (
            schema.id,
            attribute.name,
            f"{schema.id}:{attribute.name}",
            *(sub.name for sub in attribute.sub_attributes),
            *(f"{attribute.name}.{sub.name}" for sub in attribute.sub_attributes),
            *(f'{attribute.name}[type eq "work"].{sub.name}' for sub in attribute.sub_attributes),
            f'{attribute.name}[type eq "work"]',
            f'{attribute.name}[value eq "x"]',
            f"{attribute.name}[primary eq true]",
        )
    }
    | {"id", "schemas", "meta", "meta.version"}
)
KEYS = st.one_of(st.sampled_from(NAMES), st.text(max_size=8))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "work", "home", "x", "True", "false", '{"value":"x"}', "QQ==", "2026-01-02T03:04:05Z"]),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
BODIES = st.dictionaries(KEYS, JSON, max_size=6)
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "Replace", "remove"])}, optional={"path": KEYS, "value": JSON}
)
PRESENT: dict[str, Any] = {
    **ADA,
    "owners": [{"value": "x"}],
    "nickNames": ["x"],
    "serial": "x",
    "codes": [WORK, HOME],
    "members": [{"value": "x"}],
}


@settings(deadline=None)
@given(resource_type=RESOURCE_TYPES, body=BODIES | JSON)
def test_any_body_is_a_resource_or_refused(resource_type: ResourceType, body: Any) -> None:
    if isinstance(body, dict):
        body = {**body, "schemas": [resource_type.schema.id], "userName": "ada", "displayName": "x"}
    before = copy.deepcopy(body)

    with suppress(SCIMError):
        resource = validation.resource(resource_type, body)
        _assert_canonical(resource)
        assert validation.resource(resource_type, {"schemas": [resource_type.schema.id], **resource}) == resource
    assert _text(body) == _text(before)


@settings(deadline=None)
@given(resource_type=RESOURCE_TYPES, operations=st.lists(OPERATIONS, min_size=1, max_size=5))
def test_any_patch_gives_a_resource_or_is_refused(resource_type: ResourceType, operations: Any) -> None:
    resource = copy.deepcopy(PRESENT)
    document = {"schemas": [messages.PATCH_OP], "Operations": operations}
    before = copy.deepcopy(document)

    with suppress(SCIMError):
        _assert_canonical(patching.apply(patch.parse(document, resource_type), resource))

    assert resource == PRESENT
    assert _text(document) == _text(before)


@settings(deadline=None)
@given(operations=JSON)
def test_any_document_is_a_patch_or_refused(operations: Any) -> None:
    with pytest.raises(SCIMError):
        patch.parse(operations, USERS)


@settings(deadline=None)
@given(attributes=st.lists(KEYS).map(",".join), resource=BODIES)
def test_any_projection_shows_a_part_of_the_resource(attributes: str, resource: dict[str, Any]) -> None:
    canonical = {**ADA, "id": resource.get("id") or "1"}

    with suppress(SCIMError):
        shown = projection.apply(projection.parse(attributes, None, USERS), canonical, USERS)

        assert shown.keys() <= canonical.keys()
        assert shown["id"] == canonical["id"]


@settings(deadline=None)
@given(st.text())
def test_any_header_is_compared(header: str) -> None:
    assert versions.matches(header, 7) in {True, False}


def _assert_canonical(resource: dict[str, Any]) -> None:
    """Nothing empty is anywhere, and only an extension has a URN."""
    assert all(":" not in name or name == ENTERPRISE for name in resource)
    for value in resource.values():
        _assert_not_empty(value)


def _assert_not_empty(value: Any) -> None:
    assert value is not None
    assert value not in ("", [], {})
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _assert_not_empty(one)


def _text(document: Any) -> str:
    """NaN is not equal to itself, but its text is."""
    return json.dumps(document)
