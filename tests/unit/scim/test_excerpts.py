"""What is kept of a refused request: no secret however it is spelled, nothing unknown, and not too much."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.scim import excerpts
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import GROUPS, USERS
from shared.scim.schemas import enterprise
from tests.factories import patch, person
from tests.unit.scim import badge

SECRET = "hunter2-secret"

SPELLINGS: list[Any] = [
    person(password=SECRET),
    person(PASSWORD=SECRET),
    person(password=[SECRET]),
    person(password={"value": SECRET}),
    person(pasword=SECRET),
    person(userName={"password": SECRET}),
    person(name={"password": SECRET, "familyName": {"x": SECRET}}),
    person(**{"urn:ietf:params:scim:schemas:core:2.0:User:password": SECRET}),
    person(**{'password[type eq "hunter2-secret"].value': SECRET}),
    person(emails=[{"value": {"password": SECRET}, "secret": SECRET}]),
]
PATCHES: list[Any] = [
    {"op": "replace", "path": "password", "value": SECRET},
    {"op": "Replace", "PATH": "Password", "VALUE": SECRET},
    {"op": "replace", "path": "password.value", "value": SECRET},
    {"op": "replace", "path": f'password[value eq "{SECRET}"]', "value": SECRET},
    {"op": "replace", "path": f'emails[password eq "{SECRET}"].value', "value": {"password": SECRET}},
    {"op": "replace", "path": "pasword", "value": SECRET},
    {"op": "replace", "path": ["password"], "value": SECRET},
    {"op": "replace", "value": {"password": SECRET}},
    {"op": "replace", "value": SECRET},
    {"op": ["hunter2-secret"], "path": "displayName", "value": {"x": SECRET}},
]


def kept(document: Any, resource_type: ResourceType = USERS, *, is_patch: bool = False) -> str:
    found = excerpts.of_document(document, resource_type, is_patch=is_patch)
    return orjson.dumps(found.content).decode() + " ".join(found.terms)


@pytest.mark.parametrize("document", SPELLINGS)
def test_a_secret_is_never_kept_of_a_resource(document: Any) -> None:
    assert "hunter2" not in kept(document)


@pytest.mark.parametrize("operation", PATCHES)
def test_a_secret_is_never_kept_of_a_patch(operation: Any) -> None:
    assert "hunter2" not in kept(patch(operation), is_patch=True)


def test_a_secret_of_a_declared_extension_is_not_kept() -> None:
    declared = badge.USERS
    secrets = {badge.URN: {"pin": SECRET, "serial": "A-7"}}

    shown = kept(person(**secrets), declared)

    assert "hunter2" not in shown
    assert "A-7" in shown
    assert "hunter2" not in kept(
        patch({"op": "add", "path": f"{badge.URN}:pin", "value": SECRET}), declared, is_patch=True
    )


@pytest.mark.parametrize("text", [f'password eq "{SECRET}"', f'password eq "{SECRET}', f'x eq "{SECRET}"', SECRET])
def test_a_secret_is_not_kept_of_a_filter(text: str) -> None:
    found = excerpts.of_filter(text, USERS)

    assert "hunter2" not in f"{found.content} {found.terms}"


def test_what_the_registry_knows_is_kept_and_found_by() -> None:
    body = person(
        userName="Ada@Example.com",
        externalId="7f3",
        displayName="Ada L",
        title="Countess",
        emails=[{"type": "work", "value": "a.l@example.com"}],
        **{enterprise.URN: {"department": 7, "manager": {"value": "0198"}}},
    )

    found = excerpts.of_document(body, USERS, is_patch=False)

    assert found.terms == {"ada@example.com", "7f3", "ada l", "a.l@example.com", "0198"}
    assert found.content["title"] == "Countess"
    assert found.content[enterprise.URN] == {"department": 7, "manager": {"value": "0198"}}


def test_members_of_a_group_are_found_by_their_ids() -> None:
    body = patch({"op": "Add", "path": "members", "value": [{"$ref": None, "value": "0198-A"}]})

    found = excerpts.of_document(body, GROUPS, is_patch=True)

    assert found.terms == {"0198-a"}
    assert found.content == {
        "Operations": [{"op": "Add", "path": "members", "value": [{"$ref": None, "value": "0198-A"}]}]
    }


def test_a_filter_that_is_not_closed_is_found_by_what_it_was_to_match() -> None:
    found = excerpts.of_filter('userName eq "ada@example.com', USERS)

    assert found.terms == {"ada@example.com"}
    assert found.content == "userName eq ada@example.com"


def test_what_is_too_long_is_cut() -> None:
    long_text = kept(person(title="x" * 100_000))
    many_names = kept(person(**{f"attribute{number}": number for number in range(10_000)}))
    many_members = kept(
        patch(*[{"op": "add", "path": "members", "value": [{"value": "i"}]}] * 10_000), GROUPS, is_patch=True
    )
    selection = " or ".join(f'value eq "{number}"' for number in range(100))
    many_filters = kept(patch(*[{"op": "remove", "path": f"members[{selection}]"}] * 1_000), GROUPS, is_patch=True)

    assert all(excerpts.CUT in shown for shown in (long_text, many_names, many_members, many_filters))
    assert max(map(len, (long_text, many_names, many_members, many_filters))) < 6 * excerpts.LARGEST


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.just(SECRET),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["password", "Operations", "path", "value", "op", "pin", "x", "name", "emails", "urn:x:y", "a[b"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_any_json_is_read(document: Any, is_patch: bool) -> None:
    found = excerpts.of_document(document, GROUPS, is_patch=is_patch)

    assert orjson.loads(orjson.dumps(found.content)) == found.content
