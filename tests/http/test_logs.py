"""Logs: JSON lines with one request id through gateway and worker, and never a value or a token."""

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx

from shared.settings import Settings
from tests.factories import Client, bulk, bulk_post, employee, patch, person, replace

Lines = list[tuple[str, str]]
OURS = ("gateway", "worker", "beat", "flower")
SECRETS = ("Zebulon", "zebulon@secret.example", "quite-secret-title", "not-a-boolean-secret", "pass-zebra-word")


def about(lines: Lines, request_id: str) -> list[dict[str, Any]]:
    return [json.loads(line) for name, line in lines if name in OURS and request_id in line]


def until(client: Client, condition: Callable[[], bool]) -> None:
    """Wait for lines to arrive, which takes as long as some more requests."""
    for _ in range(10_000):
        if condition():
            return
        client.get("/ServiceProviderConfig")


def test_a_write_is_told_by_gateway_and_worker_with_the_same_ids(client: Client, lines: Lines) -> None:
    response = client.post("/Users", json=person(), headers={"X-Request-ID": "followed-request"})
    until(client, lambda: len(about(lines, "followed-request")) >= 2)

    told = {line["process"]: line for line in about(lines, "followed-request")}

    assert told["gateway"]["status"] == told["worker"]["status"] == 201
    assert told["gateway"]["operation_id"] == told["worker"]["operation_id"]
    assert told["worker"]["resource_id"] == response.json()["id"]
    assert told["gateway"]["tenant"] == client.tenant.principal.tenant


def test_a_refusal_is_told_with_its_kind(client: Client, lines: Lines) -> None:
    """Case 55: an operation that is refused in every cycle can be found (Microsoft Q&A 5746233)."""
    user = client.create_user()["id"]
    body = patch(replace('name[type eq "work"].familyName', "x"))

    client.patch(f"/Users/{user}", json=body, headers={"X-Request-ID": "refused-request"})
    until(client, lambda: len(about(lines, "refused-request")) >= 2)

    [_, told] = about(lines, "refused-request")
    assert (told["status"], told["scim_type"]) == (400, "invalidPath")


def test_a_refused_patch_is_told_by_its_shape(client: Client, lines: Lines) -> None:
    """Case 15. python-scim/scim2-server#13, Microsoft Q&A 5524268: what was sent can be told, without its values."""
    user = client.create_user()["id"]
    body = patch(
        {"op": "Replace", "path": f'name[type eq "{SECRETS[0]}"].familyName', "value": [{"value": SECRETS[2]}]}
    )

    client.patch(f"/Users/{user}", json=body, headers={"X-Request-ID": "refused-shape"})
    until(client, lambda: len(about(lines, "refused-shape")) >= 2)

    told = about(lines, "refused-shape")[0]
    assert (told["event"], told["scim_type"]) == ("patch refused", "invalidPath")
    assert told["shape"] == [{"op": "Replace", "path": 'name[type eq "?"].familyName', "value": [{"value": "string"}]}]


def test_no_value_and_no_token_is_logged_by_anyone(client: Client, stack: Settings, lines: Lines) -> None:
    private = employee(userName=SECRETS[1], name={"familyName": SECRETS[0]}, password=SECRETS[4])
    created = client.post("/Users", json=private).json()
    client.post("/Users", json=private)
    client.post("/Users", json=person(active=SECRETS[3]))
    client.post("/Users", content=b'{"' + SECRETS[0].encode())
    client.get("/Users", params={"filter": f'userName eq "{SECRETS[1]}"'})
    client.get("/Users", params={"filter": f'userName zz "{SECRETS[1]}"'})
    client.patch(f"/Users/{created['id']}", json=patch(replace("title", SECRETS[2])))
    client.post("/Bulk", json=bulk(bulk_post(SECRETS[1], "/Users", private), bulk_post("b", f"/{SECRETS[0]}", private)))
    other = client.create_user()
    client.patch(f"/Users/{other['id']}", json=patch(replace("userName", SECRETS[1])))
    httpx.get(f"{stack.public_url}/rest/scim/v2/Users", headers={"Authorization": f"Bearer {SECRETS[4]}"})
    client.delete(f"/Users/{created['id']}", headers={"X-Request-ID": "the-last-one"})
    until(client, lambda: len(about(lines, "the-last-one")) >= 2)

    written = "\n".join(line for _, line in lines)

    assert "the-last-one" in written
    for secret in (*SECRETS, client.tenant.secret):
        assert secret not in written, secret


def test_nothing_of_what_is_no_http_is_logged(client: Client, stack: Settings, lines: Lines) -> None:
    """gunicorn quotes what it cannot read; a body whose length is wrong is read as the next request."""
    host, _, port = stack.gateway_bind.rpartition(":")
    secret = client.tenant.secret
    wrong_length = (
        f"POST /rest/scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
        f'Content-Type: application/scim+json\r\nContent-Length: 2\r\n\r\n{{}}"title": "{SECRETS[2]}"\r\n\r\n'
    )
    for sent in (
        f"GET /rest/scim/v2/Users?filter=\u00e9{SECRETS[0]} HTTP/1.1\r\n\r\n",
        f"GET /healthz HTTP/1.1\rAuthorization: Bearer {secret}\r\n\r\n",
        wrong_length,
    ):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(sent.encode())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    client.create_user()
    until(client, lambda: sum("request cannot be read" in line for _, line in lines) >= 3)

    written = "\n".join(line for _, line in lines)

    assert written.count("request cannot be read") >= 3
    for private in (secret, SECRETS[0], SECRETS[2]):
        assert private not in written


def test_every_line_of_our_processes_is_json(client: Client, lines: Lines) -> None:
    client.create_user()
    until(client, lambda: any(name == "worker" for name, _ in lines))

    ours = [line for name, line in list(lines) if name in OURS]

    assert [line for line in ours if not line.startswith('{"level"')] == []
    for line in ours:
        assert set(json.loads(line)) >= {"level", "logger", "event", "process", "timestamp"}, line


def test_flower_shows_the_worker_and_its_tasks(client: Client, stack: Settings) -> None:
    client.create_user()

    def page() -> str:
        """Flower starts last, so at first nothing may answer."""
        try:
            return httpx.get(f"http://{stack.flower_bind}/", timeout=30).text
        except httpx.ConnectError:
            return ""

    until(client, lambda: "celery@" in page())
    assert "celery@" in page()
