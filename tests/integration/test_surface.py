"""The OpenAPI document is valid, and describes the routes that the application has: no more, no fewer."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.directory.presence import Presence
from services.gateway import app as gateway
from services.gateway.accepting import Accepter
from services.gateway.answering import Answers
from services.gateway.waiting import Listener
from shared.scim import errors, resource_types
from shared.scim.attributes import Returned
from shared.settings import Settings

AUTOMATIC = {"HEAD"}
"""The framework answers it wherever there is a GET."""


@pytest.fixture(scope="module")
def application(servers: Settings) -> Iterator[Flask]:
    """The gateway's application, whose threads end with the tests of this module."""
    before = set(threading.enumerate())
    yield gateway.create(servers)
    for thread in set(threading.enumerate()) - before:
        if isinstance(thread, Listener | Accepter | Presence | Answers):
            thread.stop()
            thread.join()


@pytest.fixture(scope="module")
def document(application: Flask) -> dict[str, Any]:
    """The document, as the application serves it to whoever asks."""
    response = application.test_client().get("/rest/scim/v2/openapi.json")
    assert response.status_code == 200
    body: dict[str, Any] = response.get_json()
    return body


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize("prefix", gateway.PREFIXES)
def test_every_route_is_described_and_every_description_has_its_route(
    application: Flask, document: dict[str, Any], prefix: str
) -> None:
    routed = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(prefix)), method)
        for rule in application.url_map.iter_rules()
        if not rule.rule.startswith(tuple(p for p in gateway.PREFIXES if p != prefix))
        for method in (rule.methods or set()) - AUTOMATIC
    }

    described = {(path, method.upper()) for path, method, _ in operations(document)}

    assert sorted(routed - described) == []
    assert sorted(described - routed) == []


def test_all_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(names) > 20
    assert len(names) == len(set(names))


def test_the_parameters_of_a_path_are_described(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        described = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
        assert described == re.findall(r"\{(\w+)\}", path), (path, method)


def test_whatever_needs_a_token_may_answer_401_and_nothing_else_does(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        is_open = operation.get("security") == []
        if path == "/oauth/token":
            continue  # It refuses clients, not tokens.
        assert ("401" in operation["responses"]) is not is_open, (path, method)


def test_every_refusal_has_the_error_message(document: dict[str, Any]) -> None:
    media_type = "application/scim+json"
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            tag = operation["tags"][0]
            has_its_own = tag in {"Health", "Admin"} or (tag == "OAuth" and status < "405")
            if status >= "400" and not has_its_own:
                assert "Error" in response["content"][media_type]["schema"]["$ref"], (path, method, status)


def test_every_refusal_of_the_admin_api_is_a_problem(document: dict[str, Any]) -> None:
    refusals = [
        response
        for _, _, operation in operations(document)
        for status, response in operation["responses"].items()
        if operation["tags"] == ["Admin"] and status >= "400"
    ]

    assert len(refusals) > 30
    assert all("Problem" in each["content"]["application/problem+json"]["schema"]["$ref"] for each in refusals)


def test_every_error_of_the_protocol_is_described_somewhere(document: dict[str, Any]) -> None:
    described = {status for _, _, operation in operations(document) for status in operation["responses"]}

    kinds: list[type[errors.SCIMError]] = errors.SCIMError.__subclasses__()
    statuses = {str(kind.status) for kind in kinds if kind.__module__ == errors.__name__}

    assert statuses - described == set()


def test_a_resource_is_described_with_all_attributes_of_the_registry(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    for kind in resource_types.ALL:
        for schema, attribute in kind.walk():
            shown, accepted = schemas[kind.name]["properties"], schemas[f"{kind.name}Request"]["properties"]
            if schema.is_extension:
                shown, accepted = shown[schema.id]["properties"], accepted[schema.id]["properties"]
            assert (attribute.name in shown) is (attribute.returned is not Returned.NEVER), attribute.name
            assert (attribute.name in accepted) is attribute.is_writable, attribute.name


def test_the_document_names_no_host(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == list(gateway.PREFIXES)


def test_the_page_and_what_it_loads_come_from_here(application: Flask) -> None:
    client = application.test_client()
    page = client.get("/docs")

    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text)

    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert len(loaded) == 5
    assert all(path.startswith("/") for path in loaded)
    for path in loaded:
        with client.get(path) as response:
            assert response.status_code == 200, path


@pytest.mark.parametrize("asset", ["index.html", "..%2F__init__.py", "swagger-ui.js", "none"])
def test_nothing_else_of_the_package_is_served(application: Flask, asset: str) -> None:
    assert application.test_client().get(f"/docs/{asset}").status_code == 404


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((path, method, operation) for method, operation in methods.items() if method != "servers")
