"""The way in from outside: the proxy of docker-compose.yml, with its own configuration, before the stack."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import admins, database, ids, portal_sessions, tokens
from services.directory.tokens import Terms
from services.stack import ports
from shared.settings import Settings
from tests import conftest, proxies, stacks
from tests.factories import Tenant, person
from tests.proxies import PATIENCE, Proxy

SCIM = "/rest/scim/v2"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A stack that trusts the one proxy before it."""
    environ = conftest.environment() | {"MUSTER_TRUSTED_PROXIES": "1"}
    with stacks.lean(tmp_path_factory.mktemp("behind"), environ, "portal") as running:
        yield running.settings


@pytest.fixture(scope="module")
def behind_engine(behind: Settings) -> Iterator[Engine]:
    pool = database.connect(behind.database_url, process="test")
    yield pool
    pool.dispose()


@pytest.fixture(scope="module")
def proxy(behind: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxies.running(tmp_path_factory.mktemp("proxy"), behind.gateway_bind, behind.portal_bind) as found:
        yield found


@pytest.fixture
def outside(proxy: Proxy, behind_engine: Engine) -> Iterator[httpx.Client]:
    """A client that comes through the proxy."""
    with _client(proxy, conftest.make_tenant(behind_engine)) as client:
        yield client


def test_a_life_through_the_proxy(outside: httpx.Client) -> None:
    created = outside.post("/Users", json=person())
    user = f"/Users/{created.json()['id']}"
    disabled = outside.patch(
        user,
        json={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "active", "value": False}],
        },
    )

    assert (created.status_code, disabled.status_code, outside.delete(user).status_code) == (201, 200, 204)
    assert disabled.json()["active"] is False


def test_every_answer_asks_for_tls_from_then_on_and_tells_no_version(outside: httpx.Client) -> None:
    for path in ("/Users", "/Nothing"):
        headers = outside.get(path).headers

        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert not {"server", "via", "x-powered-by"} & set(headers)


def test_the_staff_portal_is_beside_the_protocol(proxy: Proxy) -> None:
    page = httpx.get(f"https://localhost:{proxy.port}/", verify=proxy.trusting, follow_redirects=True, timeout=PATIENCE)

    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"


def test_a_live_page_is_sent_what_changes_at_once(proxy: Proxy, behind_engine: Engine) -> None:
    tenant = conftest.make_tenant(behind_engine)
    path = f"/provisioning/connections/{tenant.principal.token_id}/progress/live"
    with (
        _admin(proxy, behind_engine, tenant) as admin,
        _client(proxy, tenant) as provider,
        admin.stream("GET", path) as response,
    ):
        lines = response.iter_lines()
        is_there = any(line == "event: part" for line in lines)
        made = provider.post("/Users", json=person())
        shows = any('class="has"' in line for line in lines)

    assert response.headers["Content-Type"] == "text/event-stream"
    assert (is_there, made.status_code, shows) == (True, 201, True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(proxy: Proxy, version: ssl.TLSVersion) -> None:
    old = proxy.trusting
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match=r"TLSv1"):
        old.minimum_version = old.maximum_version = version

    with pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"), proxies.plain(proxy) as connection:
        old.wrap_socket(connection, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_later_versions_of_tls_are_spoken_with_forward_secrecy(proxy: Proxy, version: ssl.TLSVersion) -> None:
    context = proxy.trusting
    context.minimum_version = context.maximum_version = version

    with proxies.plain(proxy) as plain, context.wrap_socket(plain, server_hostname="localhost") as connection:
        spoken, cipher = connection.version(), connection.cipher()

    assert spoken == version.name.replace("v1_", "v1.")
    assert cipher is not None
    assert cipher[0].startswith(("ECDHE-", "TLS_"))


@pytest.mark.parametrize(("path", "styles"), [("/", "'self'"), ("/docs", "'self' 'unsafe-inline'")])
def test_pages_come_with_a_policy_that_lets_no_script_in(proxy: Proxy, path: str, styles: str) -> None:
    """Swagger UI sets styles from its own script; a style reads nothing here, for nothing leads out."""
    page = httpx.get(
        f"https://localhost:{proxy.port}{path}", verify=proxy.trusting, follow_redirects=True, timeout=PATIENCE
    )

    policy = dict(each.split(" ", 1) for each in page.headers["Content-Security-Policy"].split("; "))
    assert page.status_code == 200
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", styles)
    assert (policy["base-uri"], policy["frame-ancestors"]) == ("'none'", "'none'")
    assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/docs/%2e%2e/metrics", "/docs/../metrics", "//metrics", "/./readyz", "/%6detrics"])
def test_what_only_operators_ask_is_not_there_under_another_spelling(proxy: Proxy, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nSCRIPT_NAME: /docs\r\nConnection: close\r\n\r\n"

    answer = _said(proxy, request.encode())

    assert answer.split(b" ", 2)[1] in {b"303", b"308", b"404"}, answer
    assert b"muster_" not in answer
    assert b'"status"' not in answer or b"messages:2.0:Error" in answer


def test_a_header_of_the_client_makes_no_other_path(proxy: Proxy) -> None:
    answer = _said(
        proxy, b"GET /docs/readyz HTTP/1.1\r\nHost: localhost\r\nSCRIPT_NAME: /docs\r\nConnection: close\r\n\r\n"
    )

    assert answer.split(b" ", 2)[1] == b"404"


def test_a_gateway_hears_of_a_body_when_it_has_come_whole(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gateway:
        address = f"127.0.0.1:{gateway.getsockname()[1]}"
        with proxies.running(tmp_path, address, address) as found, proxies.tls(found) as client:
            client.sendall(b"POST /scim/v2/Users HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
            gateway.settimeout(1)
            with pytest.raises(TimeoutError):
                gateway.accept()

            client.sendall(b"67890")
            gateway.settimeout(PATIENCE)
            connection, _ = gateway.accept()
            with connection:
                received = connection.recv(65_536)
                while not received.endswith(b"67890"):
                    received += connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 204 No Content\r\nServer: x/1\r\nVia: y\r\n\r\n")
            answer = client.recv(65_536)

    assert b"\r\nContent-Length: 10\r\n" in received
    assert received.endswith(b"\r\n\r\n1234567890")
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert not {b"server:", b"via:"} & {line.split(b" ")[0].lower() for line in answer.split(b"\r\n")}


def test_headers_that_do_not_come_are_not_waited_for(proxy: Proxy) -> None:
    with proxies.tls(proxy) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")

        assert connection.recv(1_000) == b""


def test_a_gateway_that_is_away_is_told_in_the_protocols_words(tmp_path: Path) -> None:
    nobody = ports.choose({"x": "127.0.0.1:0"})["x"]
    with proxies.running(tmp_path, nobody, nobody) as found:
        answer = httpx.get(f"https://localhost:{found.port}{SCIM}/Users", verify=found.trusting, timeout=PATIENCE)

    assert (answer.status_code, answer.json()["status"]) == (502, "502")
    assert answer.headers["Content-Type"] == "application/scim+json"
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert not {"server", "via"} & set(answer.headers)


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/healthz"])
def test_what_only_operators_ask_is_not_there(outside: httpx.Client, path: str) -> None:
    assert outside.get(httpx.URL(outside.base_url).copy_with(path=path)).status_code == 404


def test_nobody_writes_himself_into_the_network_of_a_token(proxy: Proxy, behind_engine: Engine) -> None:
    tenant = conftest.make_tenant(behind_engine)
    with database.transaction(behind_engine) as connection:
        near, far = (
            tokens.create(connection, tenant.principal.tenant_id, "bound", terms=Terms(networks=[network]))
            for network in ("127.0.0.0/8", "203.0.113.0/24")
        )
    forged = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7"}

    with _client(proxy, replace(tenant, secret=near)) as allowed, _client(proxy, replace(tenant, secret=far)) as other:
        assert allowed.get("/Users", headers=forged).status_code == 200
        assert other.get("/Users", headers=forged).status_code in {401, 403}


def test_a_large_body_is_refused_in_the_protocols_words(outside: httpx.Client) -> None:
    response = outside.post("/Users", content=b"x" * 2_000_000, headers={"Content-Type": "application/scim+json"})

    assert response.status_code == 413
    assert response.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


def test_headers_without_end_are_not_read(proxy: Proxy, outside: httpx.Client) -> None:
    with proxies.plain(proxy) as plain, proxy.trusting.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n")
        answer = connection.recv(1_000)

    assert b" 431 " in answer
    assert outside.get("/Users").status_code == 200


def _client(proxy: Proxy, tenant: Tenant) -> httpx.Client:
    return httpx.Client(
        base_url=f"https://localhost:{proxy.port}{SCIM}",
        headers={"Authorization": f"Bearer {tenant.secret}"},
        verify=proxy.trusting,
        timeout=PATIENCE,
    )


def _said(proxy: Proxy, request: bytes) -> bytes:
    """Return all that is answered to a request."""
    with proxies.tls(proxy) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def _admin(proxy: Proxy, engine: Engine, tenant: Tenant) -> httpx.Client:
    """Return the browser of an admin who is signed in."""
    with database.transaction(engine) as connection:
        email = f"{ids.new()}@admins.example"
        admins.create(connection, tenant.principal.tenant_id, email)
        admin = admins.find(connection, email)
        assert admin is not None
        secret = portal_sessions.begin(connection, admin)
    url = f"https://localhost:{proxy.port}"
    return httpx.Client(base_url=url, verify=proxy.trusting, cookies={"muster-session": secret}, timeout=60)
