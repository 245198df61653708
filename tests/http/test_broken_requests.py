"""Requests that are broken below JSON: bodies that do not arrive as announced, sent over a bare socket."""

import http.client
import json
import socket
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from services.gateway import serving
from shared.scim import filters, messages
from shared.settings import Settings
from tests.factories import Client

USER = b'{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"broken@example.com"}'


def send(stack: Settings, client: Client, headers: bytes, body: bytes) -> bytes:
    """Send a POST of a user, close our half, and return all that comes back."""
    host, _, port = stack.gateway_bind.rpartition(":")
    head = b"POST /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head + client.tenant.secret.encode() + b"\r\n" + headers + b"\r\n" + body)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def get(stack: Settings, client: Client, filter_: str) -> tuple[int, dict[str, Any]]:
    """Send a GET of users, which may be longer than httpx would send it."""
    connection = http.client.HTTPConnection(stack.gateway_bind, timeout=30)
    url = f"/rest/scim/v2/Users?filter={quote(filter_, safe='')}"
    connection.request("GET", url, headers={"Authorization": f"Bearer {client.tenant.secret}"})
    response = connection.getresponse()
    with closing(connection):
        return response.status, json.loads(response.read())


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (b"Content-Length: 1000\r\n", USER, b"400"),
        (b"Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nab", b"400"),
        (b"Transfer-Encoding: chunked\r\n", chunked(USER + b" " * (1_048_576 - len(USER)), b"}}}} and more"), b"413"),
        (b"Content-Length: 99999999\r\n", USER, b"413"),
    ],
    ids=["cut off", "malformed chunk", "cut off chunk", "chunks over the limit", "announced over the limit"],
)
def test_a_body_that_does_not_arrive_whole_is_refused(
    client: Client, stack: Settings, headers: bytes, body: bytes, status: bytes
) -> None:
    answer = send(stack, client, headers, body)

    assert answer.split(b" ", 2)[1] == status, answer
    assert b"urn:ietf:params:scim:api:messages:2.0:Error" in answer
    assert client.get("/Users").json()["totalResults"] == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Authorization : Bearer {secret}\r\n", b"400"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"400"),
        (b"Transfer-Encoding: xchunked\r\n", b"501"),
        (b"Expect: {secret}\r\n", b"417"),
        (b"X: a\x00b\r\n", b"400"),
        (b"Content-Length: {secret}\r\n", b"400"),
    ],
    ids=["name", "two lengths", "coding", "expectation", "NUL", "length"],
)
def test_what_is_no_http_is_refused_in_the_protocols_words_without_quoting_it(
    client: Client, stack: Settings, headers: bytes, status: bytes
) -> None:
    answer = send(stack, client, headers.replace(b"{secret}", client.tenant.secret.encode()), b"")

    assert answer.split(b" ", 2)[1] == status, answer
    assert b"urn:ietf:params:scim:api:messages:2.0:Error" in answer
    assert client.tenant.secret.encode() not in answer


@pytest.mark.parametrize("header", [b"SCRIPT_NAME: /rest", b"PATH_INFO: /healthz", b"SCRIPT_NAME: /x"])
def test_no_header_makes_another_path_of_a_path(client: Client, stack: Settings, header: bytes) -> None:
    """A proxy would look at one path, and the gateway at another."""
    answer = send(stack, client, header + b"\r\nContent-Length: %d\r\n" % len(USER), USER)

    assert answer.split(b" ", 2)[1] == b"201", answer
    assert b"\r\nLocation: " + stack.public_url.encode() + b"/rest/scim/v2/Users/" in answer


def test_no_name_and_no_version_of_what_serves_is_told(client: Client, stack: Settings) -> None:
    answer = send(stack, client, b"Content-Length: %d\r\n" % len(USER), USER)

    assert b"\r\nServer: Muster\r\n" in answer
    assert b"gunicorn" not in answer.lower()


def test_a_chunked_body_is_taken(client: Client, stack: Settings) -> None:
    answer = send(stack, client, b"Transfer-Encoding: chunked\r\n", chunked(USER[:40], USER[40:]))

    assert answer.split(b" ", 2)[1] == b"201"


@pytest.mark.parametrize("attribute", ["userName", "externalId"])
def test_what_an_index_cannot_hold_is_refused_and_not_tried(client: Client, attribute: str) -> None:
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "x"} | {
        attribute: "\U0001f600" * 513
    }

    refused = client.post("/Users", json=body)
    taken = client.post("/Users", json=body | {attribute: "\U0001f600" * 512})

    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")
    assert taken.status_code == 201


def test_a_filter_that_would_plan_for_seconds_is_refused(client: Client) -> None:
    response = client.get("/Users", params={"filter": " and ".join(['groups.display co "a"'] * 21)})

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidFilter")


def test_case_is_folded_alike_in_lists_and_in_patches(client: Client) -> None:
    user = client.create_user(emails=[{"value": "İ@x"}])
    found = client.get("/Users", params={"filter": 'emails.value eq "i@x"'}).json()["totalResults"]
    change = {"op": "replace", "path": 'emails[value eq "i@x"].display', "value": "same"}

    changed = client.patch(
        f"/Users/{user['id']}",
        json={"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]},
    )

    assert len(changed.json()["emails"]) == found == 1


def test_options_is_answered_like_any_method_that_is_not_offered(client: Client) -> None:
    response = client.options("/Users")

    assert response.status_code == 405
    assert response.headers["Content-Type"] == "application/scim+json"


def test_the_longest_filter_fits_into_a_request_line(client: Client, stack: Settings) -> None:
    status, found = get(stack, client, 'userName eq "' + "\U0001f600" * (filters.MAX_LENGTH - 14) + '"')

    assert (status, found["totalResults"]) == (200, 0)


@pytest.mark.parametrize("body", [b"zz\r\nemail=a\r\n0\r\n\r\n", b"5\r\nab"], ids=["malformed chunk", "cut off chunk"])
@pytest.mark.parametrize("path", ["/sign-in", "/oauth/token"])
def test_a_form_that_does_not_arrive_whole_is_refused_in_words(stack: Settings, path: str, body: bytes) -> None:
    bind = stack.portal_bind if path == "/sign-in" else stack.gateway_bind
    host, _, port = bind.rpartition(":")
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n".encode()
    form = b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"

    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head + form + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    assert answer.split(b" ", 2)[1] == b"400", answer
    assert b"did not arrive whole" in answer


def test_a_longer_request_line_is_refused_as_a_scim_error(client: Client, stack: Settings) -> None:
    status, error = get(stack, client, "x" * serving.LONGEST_LINE)

    assert (status, error["schemas"], error["status"]) == (414, [messages.ERROR], "414")
    assert ".search" in error["detail"]


@pytest.mark.parametrize(
    "request_",
    [
        b'GET /rest/scim/v2/Users?filter=userName eq "ada@example.com" HTTP/1.1\r\nHost: x\r\n\r\n',
        "GET /rest/scim/v2/Users?filter=userName%20eq%20%22zoë%22 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        b"GET /rest/scim/v2/Users HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\nno field\r\n\r\n",
        b"GET /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"hello\r\n\r\n",
    ],
    ids=["spaces", "not ASCII", "version", "header", "two lengths", "nothing"],
)
def test_what_is_no_http_is_refused_as_a_scim_error(stack: Settings, request_: bytes) -> None:
    host, _, port = stack.gateway_bind.rpartition(":")

    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request_)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert messages.MEDIA_TYPE.encode() in head
    assert json.loads(body)["schemas"] == [messages.ERROR]
