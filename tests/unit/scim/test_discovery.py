"""What the server says of itself is complete, derived from the registry, and true."""

from typing import Any

import pytest

from shared.scim import discovery, events
from shared.scim.attributes import Attribute, ResourceType
from shared.scim.resource_types import ALL, GROUPS, USERS
from tests.unit.scim.bodies import ENTERPRISE, GROUP_URN, USER_URN

BASE = "https://muster.example/rest/scim/v2"


@pytest.mark.parametrize("resource_type", ALL, ids=lambda resource_type: resource_type.name)
def test_a_schema_shows_every_attribute_with_every_characteristic(resource_type: ResourceType) -> None:
    for schema in resource_type.schemas:
        document = discovery.schema_document(schema, BASE)

        assert document["id"] == schema.id
        assert document["meta"] == {"resourceType": "Schema", "location": f"{BASE}/Schemas/{schema.id}"}
        _assert_shown(document["attributes"], schema.attributes)


def _assert_shown(shown: list[dict[str, Any]], attributes: tuple[Attribute, ...]) -> None:
    assert [one["name"] for one in shown] == [attribute.name for attribute in attributes]
    for one, attribute in zip(shown, attributes, strict=True):
        assert one["type"] == attribute.type
        assert one["multiValued"] is attribute.multi_valued
        assert one["required"] is attribute.required
        assert one["caseExact"] is attribute.case_exact
        assert one["mutability"] == attribute.mutability
        assert one["returned"] == attribute.returned
        assert one["uniqueness"] == attribute.uniqueness
        assert one["description"]
        assert tuple(one.get("canonicalValues", ())) == attribute.canonical_values
        assert tuple(one.get("referenceTypes", ())) == attribute.reference_types
        _assert_shown(one.get("subAttributes", []), attribute.sub_attributes)


@pytest.mark.parametrize("resource_type", ALL, ids=lambda resource_type: resource_type.name)
def test_external_id_is_shown_inside_every_core_schema(resource_type: ResourceType) -> None:
    document = discovery.schema_document(resource_type.schema, BASE)

    assert "externalId" in [attribute["name"] for attribute in document["attributes"]]


def test_a_resource_type_names_its_extensions() -> None:
    assert discovery.resource_type_document(USERS, BASE) == {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "Employees",
        "schema": USER_URN,
        "schemaExtensions": [{"schema": ENTERPRISE, "required": False}],
        "meta": {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/User"},
    }


def test_a_resource_type_without_extensions_names_none() -> None:
    document = discovery.resource_type_document(GROUPS, BASE)

    assert document["schema"] == GROUP_URN
    assert "schemaExtensions" not in document


def _config(*event_uris: str) -> dict[str, Any]:
    return discovery.service_provider_config(
        BASE,
        max_results=200,
        default_page=50,
        cursor_seconds=60,
        max_operations=7,
        max_payload_size=4096,
        event_uris=event_uris,
    )


def test_the_configuration_says_what_is_supported() -> None:
    document = _config()

    supported = {key: value["supported"] for key, value in document.items() if "supported" in value}
    assert supported == {
        "patch": True,
        "bulk": True,
        "filter": True,
        "changePassword": True,
        "sort": True,
        "etag": True,
    }
    assert document["filter"]["maxResults"] == 200
    assert document["bulk"] == {"supported": True, "maxOperations": 7, "maxPayloadSize": 4096}
    assert document["pagination"] == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": 50,
        "maxPageSize": 200,
        "cursorTimeout": 60,
    }
    assert [scheme["type"] for scheme in document["authenticationSchemes"]] == ["oauthbearertoken"]


def test_asynchronous_requests_are_told_of_only_where_that_is_wanted() -> None:
    silent, telling = _config(), _config(*events.URIS)

    assert "securityEvents" not in silent
    assert telling["securityEvents"] == {
        "asyncRequest": "request",
        "eventUris": ["urn:ietf:params:scim:event:misc:asyncresp"],
    }
