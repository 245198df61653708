"""Paths are resolved against the registry once, whatever a client's spelling."""

import pytest

from shared.scim import paths, value_paths
from shared.scim.attributes import ResourceType
from shared.scim.errors import InvalidFilterError, InvalidPathError
from shared.scim.filters import Comparison, Operator
from shared.scim.resource_types import ALL, GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE, GROUP_URN, USER_URN


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("userName", "userName"),
        ("USERNAME", "userName"),
        (" userName ", "userName"),
        ("name.GIVENNAME", "name.givenName"),
        ("emails.value", "emails.value"),
        ("id", "id"),
        ("schemas", "schemas"),
        ("meta.lastModified", "meta.lastModified"),
        ("externalId", "externalId"),
        (f"{USER_URN}:userName", "userName"),
        (f"{USER_URN}:name.familyName", "name.familyName"),
        (f"{USER_URN}:id", "id"),
        (f"{ENTERPRISE}:department", f"{ENTERPRISE}:department"),
        (f"{ENTERPRISE.upper()}:DEPARTMENT", f"{ENTERPRISE}:department"),
        (f"{ENTERPRISE}:manager.value", f"{ENTERPRISE}:manager.value"),
        ("manager", f"{ENTERPRISE}:manager"),
        ("manager.value", f"{ENTERPRISE}:manager.value"),
        ("employeeNumber", f"{ENTERPRISE}:employeeNumber"),
    ],
)
def test_a_reference_is_resolved_to_its_canonical_spelling(text: str, canonical: str) -> None:
    path = paths.reference(text, USERS)

    assert path.text == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "unknown",
        "userName.value",
        "name.unknown",
        "name.givenName.more",
        "name.",
        ".givenName",
        "emails[type]",
        f"{USER_URN}:department",
        f"{ENTERPRISE}:userName",
        f"{ENTERPRISE}:id",
        f"{ENTERPRISE}",
        f"{USER_URN}.userName",
        f"{GROUP_URN}:displayName",
        "urn:unknown:2.0:User:userName",
        "members",
    ],
)
def test_a_reference_to_what_users_do_not_have_is_refused(text: str) -> None:
    with pytest.raises(InvalidPathError):
        paths.reference(text, USERS)


def test_a_long_name_is_shown_cut() -> None:
    with pytest.raises(InvalidPathError) as caught:
        paths.reference("x" * 10_000, USERS)

    assert len(caught.value.detail) < 150


@pytest.mark.parametrize("resource_type", ALL, ids=lambda resource_type: resource_type.name)
def test_every_attribute_is_found_under_its_urn(resource_type: ResourceType) -> None:
    for schema, attribute in resource_type.walk():
        path = paths.reference(f"{schema.id}:{attribute.name}", resource_type)

        assert (path.schema, path.attribute, path.leaf) == (schema, attribute, attribute)


@pytest.mark.parametrize("resource_type", ALL, ids=lambda resource_type: resource_type.name)
def test_every_sub_attribute_is_found_through_its_canonical_text(resource_type: ResourceType) -> None:
    for schema, attribute in resource_type.walk():
        for sub in attribute.sub_attributes:
            path = paths.Path(schema, attribute, sub)

            assert paths.reference(path.text, resource_type) == path


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ('emails[type eq "work"]', "emails[...]"),
        ('emails[type eq "work"].value', "emails[...].value"),
        ('emails [ type eq "work" ] .value', "emails[...].value"),
        ('emails[value eq "a]b"].value', "emails[...].value"),
        ('emails[value eq "a].b"]', "emails[...]"),
        (f'{USER_URN}:emails[type eq "work"].VALUE', "emails[...].value"),
        ("displayName", "displayName"),
    ],
)
def test_a_patch_path_may_select_elements(text: str, canonical: str) -> None:
    path = value_paths.parse(text, USERS)

    assert path.text == canonical


def test_the_filter_of_a_patch_path_is_over_sub_attributes() -> None:
    path = value_paths.parse('members[value eq "2819"]', GROUPS)

    assert isinstance(path.filter, Comparison)
    assert path.filter.path == paths.reference("members.value", GROUPS)
    assert (path.filter.operator, path.filter.value) == (Operator.EQ, "2819")


@pytest.mark.parametrize(
    "text",
    [
        'unknown[type eq "work"]',
        'userName[value eq "x"]',
        'manager[value eq "x"]',
        'schemas[value eq "x"]',
        'emails.value[type eq "work"]',
        'emails[type eq "work"',
        'emails[type eq "work"]value',
        'emails[type eq "work"].unknown',
        'emails[type eq "work"].',
        'emails[type eq "work"].value.more',
        "a" * 10_000,
    ],
)
def test_a_malformed_patch_path_is_an_invalid_path(text: str) -> None:
    with pytest.raises(InvalidPathError):
        value_paths.parse(text, USERS)


@pytest.mark.parametrize(
    "text",
    [
        "emails[]",
        "emails[type]",
        'emails[type eq "work]',
        'emails[type eq "work"]]',
        'emails[unknown eq "work"]',
        'emails[emails[type eq "work"]]',
        'emails[type[value eq "work"]]',
        "emails[primary gt true]",
    ],
)
def test_a_malformed_filter_in_a_patch_path_is_an_invalid_filter(text: str) -> None:
    with pytest.raises(InvalidFilterError):
        value_paths.parse(text, USERS)


def test_what_only_another_type_has_is_absent_in_this_one() -> None:
    own = paths.reference_in_any("displayName", GROUPS, [USERS, GROUPS])
    others = paths.reference_in_any("emails.value", GROUPS, [USERS, GROUPS])

    assert not own.is_absent
    assert (others.is_absent, others.text) == (True, "emails.value")


def test_what_no_type_has_is_refused() -> None:
    with pytest.raises(InvalidPathError):
        paths.reference_in_any("shoeSize", GROUPS, [USERS, GROUPS])
