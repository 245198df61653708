"""Files of extensions: what they declare, and what is said of those that declare none."""

import json
from copy import deepcopy
from typing import Any

import pytest

from shared.scim import discovery, extension_changes, extension_files
from shared.scim.attributes import Attribute, Mutability, Returned, Stored, Type
from shared.scim.extension_files import ExtensionFileError
from shared.scim.schemas import enterprise, user
from tests.unit.scim import badge

URN = "urn:example:scim:badge:1.0:User"


def document(*attributes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the shortest document that is valid, with some attributes or other fields."""
    given = list(attributes) or [{"name": "number"}]
    return {"resourceType": "User", "id": URN, "name": "Badge", "attributes": given} | fields


def attribute(**fields: Any) -> dict[str, Any]:
    return document({"name": "number"} | fields)


def sub(**fields: Any) -> dict[str, Any]:
    return attribute(type="complex", subAttributes=[{"name": "value"} | fields])


def test_what_is_not_said_is_as_the_rfc_has_it() -> None:
    found = extension_files.read(document({"name": "number"}))

    [one] = found.schema.attributes
    assert (found.resource_type, found.schema.id, found.schema.is_extension) == ("User", URN, True)
    assert (one.type, one.mutability, one.returned) == (Type.STRING, Mutability.READ_WRITE, Returned.DEFAULT)
    assert (one.multi_valued, one.required, one.case_exact) == (False, False, False)
    assert one.stored is Stored.BAG


def test_the_example_uses_every_type_but_binary() -> None:
    def types(attributes: tuple[Attribute, ...]) -> set[Type]:
        return {one.type for one in attributes} | {t for one in attributes for t in types(one.sub_attributes)}

    assert types(badge.EXTENSION.schema.attributes) == set(Type) - {Type.BINARY}


def test_a_document_is_read_back_as_it_was_written() -> None:
    written = extension_files.document(badge.EXTENSION)

    again = extension_files.parse(json.dumps(written))

    assert extension_files.document(again) == written


def test_what_is_sensitive_is_so_in_all_its_parts_and_no_client_is_told() -> None:
    found = extension_files.read(sub() | attribute(type="complex", sensitive=True, subAttributes=[{"name": "value"}]))

    [one] = found.schema.attributes
    again = extension_files.read(extension_files.document(found))
    assert (one.is_sensitive, one.sub_attributes[0].is_sensitive) == (True, True)
    assert again.schema.attributes[0].is_sensitive
    assert "sensitive" not in json.dumps(discovery.schema_document(found.schema, ""))


def test_binary_values_and_references_are_exact_without_being_told() -> None:
    found = extension_files.read(
        document({"name": "a", "type": "binary"}, {"name": "b", "type": "reference", "referenceTypes": ["User"]})
    )

    assert [one.case_exact for one in found.schema.attributes] == [True, True]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([], "the file must be a table"),
        ({}, "the file: 'resourceType', 'id', 'name', 'attributes' are missing"),
        ({"id": "urn:example:x", "attributes": []}, "the file: 'resourceType', 'name' are missing"),
        (document(attributes=[]), "the file: 'attributes' must list at least one attribute"),
        (document(attributes={}), "the file: 'attributes' must be a list"),
        (document(attributes=["number"]), "attribute 1 must be a table"),
        (document(resource_type="User"), "the file: 'resource_type' is not known; the keys are: resourceType"),
        (document(resourceType="Device"), "the file: 'resourceType' must be one of: User, Group"),
        (document(resourceType=None), "the file: 'resourceType' is missing"),
        (document(required=True), "the file: 'required' must be false"),
        (document(name=""), "the file: 'name' must have 1 to 100 characters"),
        (document(name=7), "the file: 'name' must be a text"),
        (document(name="\0"), "the file: 'name' must be a text"),
        (document(id="badge"), "the file: 'id' must be a URN"),
        (document(id="urn:example:a b"), "the file: 'id' must be a URN"),
        (document(id="urn:example:a,b"), "the file: 'id' must be a URN"),
        (document(id="urn:example:badge:"), "the file: 'id' must be a URN"),
        (document(id="urn:example:" + "a" * 200), "the file: 'id' must have 1 to 200 characters"),
        (document(id=enterprise.URN), "the file: 'id' must not be, begin with"),
        (document(id=enterprise.URN.upper()), "the file: 'id' must not be, begin with"),
        (document(id=f"{user.URN}:badge"), "the file: 'id' must not be, begin with"),
        (document(id="urn:ietf:params:scim:schemas"), "the file: 'id' must not be, begin with"),
        (document(id="urn:ietf:params:scim:api:messages:2.0:Error"), "the file: 'id' must not be, begin with"),
        (document({"name": "a"}, {"name": "A"}), "attribute 2 ('A'): another one has this name"),
        (document(*[{"name": f"a{n}"} for n in range(101)]), "the file: 'attributes' takes at most 100 entries"),
        (document({"type": "string"}), "attribute 1: 'name' is missing"),
        (attribute(name="2fast"), "attribute 1: 'name' must be a letter"),
        (attribute(name="a.b"), "attribute 1: 'name' must be a letter"),
        (attribute(name="$ref"), "attribute 1: 'name' must be a letter"),
        (attribute(name="externalID"), "attribute 1: 'externalID' is reserved"),
        (attribute(name="not"), "attribute 1: 'not' is reserved"),
        (attribute(type="text"), "attribute 1 ('number'): 'type' must be one of: string, boolean"),
        (attribute(type=["string"]), "attribute 1 ('number'): 'type' must be one of"),
        (attribute(multivalued=True), "attribute 1: 'multivalued' is not known"),
        (attribute(multiValued="yes"), "attribute 1 ('number'): 'multiValued' must be true or false"),
        (attribute(required=1), "attribute 1 ('number'): 'required' must be true or false"),
        (attribute(mutability="constant"), "attribute 1 ('number'): 'mutability' must be one of: readOnly"),
        (attribute(returned="sometimes"), "attribute 1 ('number'): 'returned' must be one of: always, never"),
        (attribute(uniqueness="server"), "attribute 1 ('number'): 'uniqueness' must be none"),
        (attribute(uniqueness="global"), "attribute 1 ('number'): 'uniqueness' must be none"),
        (attribute(mutability="writeOnly"), "attribute 1 ('number'): 'returned' must be never"),
        (attribute(mutability="readOnly", required=True), "attribute 1 ('number'): 'required' must be false"),
        (attribute(type="binary", caseExact=False), "attribute 1 ('number'): 'caseExact' must be true"),
        (attribute(type="integer", canonicalValues=["1"]), "'canonicalValues' are for strings"),
        (attribute(canonicalValues="a"), "attribute 1 ('number'): 'canonicalValues' must be a list"),
        (attribute(canonicalValues=[1]), "'canonicalValues' must be a list of texts"),
        (attribute(canonicalValues=["a", "a"]), "'canonicalValues' has an entry twice"),
        (attribute(type="reference"), "attribute 1 ('number'): a reference needs 'referenceTypes'"),
        (attribute(type="reference", referenceTypes=["User", "Device"]), "'referenceTypes' may be: User, Group"),
        (attribute(referenceTypes=["User"]), "'referenceTypes' are for references"),
        (attribute(type="complex"), "attribute 1 ('number'): a complex attribute needs 'subAttributes'"),
        (attribute(subAttributes=[{"name": "a"}]), "only a complex attribute has 'subAttributes'"),
        (sub(name="x y"), "sub-attribute 1 of attribute 1 ('number'): 'name' must be a letter"),
        (sub(name="or"), "sub-attribute 1 of attribute 1 ('number'): 'or' is a word of filters"),
        (
            sub(type="complex"),
            "sub-attribute 1 ('value') of attribute 1 ('number'): a sub-attribute must not be complex",
        ),
        (
            sub(multiValued=True),
            "sub-attribute 1 ('value') of attribute 1 ('number'): a sub-attribute must not be multi",
        ),
        (
            sub(subAttributes=[{"name": "a"}]),
            "('value') of attribute 1 ('number'): a sub-attribute has no 'subAttributes'",
        ),
        (sub(uniqueness="server"), "sub-attribute 1 ('value') of attribute 1 ('number'): 'uniqueness' must be none"),
    ],
)
def test_a_bad_file_is_told_its_place_and_its_rule(fields: Any, said: str) -> None:
    with pytest.raises(ExtensionFileError) as raised:
        extension_files.read(fields)

    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file: 'resourceType', 'id', 'name', 'attributes' are missing"),
        ("name = ", "the file is not TOML"),
        ("name = " + "9" * 5_000, "the file is not TOML"),
        ("[]", "the file is not TOML"),
        (" {", "the file is not JSON"),
        ('{"name": ' + "9" * 5_000 + "}", "the file is not JSON"),
        ('{"name": "a", "name": "b"}', "the same key twice"),
        ('{"a":' * 100_000, "the file is not JSON"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_told_so(text: str, said: str) -> None:
    with pytest.raises(ExtensionFileError, match=said):
        extension_files.parse(text)


BEFORE = document(
    {"name": "number", "type": "integer"},
    {"name": "desk", "type": "complex", "subAttributes": [{"name": "floor", "type": "integer"}]},
)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("resourceType",), "Group", "'resourceType' was User before"),
        (("id",), URN.upper().replace("URN:", "urn:"), f"'id' was spelled {URN} before"),
        (("attributes", 0, "name"), "Number", "attribute 'number': 'name' was spelled number before"),
        (("attributes", 0, "type"), "string", "attribute 'number': 'type' was integer before"),
        (("attributes", 0, "multiValued"), True, "attribute 'number': 'multiValued' was false before"),
        (("attributes", 1, "subAttributes", 0, "type"), "string", "sub-attribute 'floor' of attribute 'desk': 'type'"),
        (("attributes", 1, "subAttributes", 0, "name"), "level", "sub-attribute 'floor' of attribute 'desk' must stay"),
    ],
)
def test_what_stored_values_rely_on_stays(place: tuple[Any, ...], value: Any, said: str) -> None:
    after = deepcopy(BEFORE)
    target: Any = after
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value

    reason = extension_changes.first_conflict([extension_files.read(BEFORE)], extension_files.read(after))

    assert reason is not None
    assert said in reason


def test_what_concerns_later_requests_may_change() -> None:
    after = document(
        {"name": "number", "type": "integer", "required": True, "returned": "request", "description": "New."},
        {"name": "added"},
    )

    assert extension_changes.first_conflict([extension_files.read(BEFORE)], extension_files.read(after)) is None


def test_a_byte_order_mark_is_read_over() -> None:
    text = "\ufeff" + json.dumps(
        {"resourceType": "User", "id": "urn:example:x", "name": "X", "attributes": [{"name": "a"}]}
    )

    assert extension_files.parse(text).schema.id == "urn:example:x"


def test_a_json_array_is_told_from_toml() -> None:
    with pytest.raises(ExtensionFileError, match="the file must be a table"):
        extension_files.parse('[{"resourceType": "User"}]')
