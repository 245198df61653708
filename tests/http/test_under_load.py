"""Tokens and keys are replaced and ended while requests are under way, at two gateway processes."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import clients, database, signing_keys, tokens
from services.directory.tokens import Terms
from services.stack.supervisor import Stack
from shared.settings import Settings
from tests import conftest, stacks
from tests.factories import Tenant, person

SENDERS, ROTATIONS = 6, 3
SETTLED = 150
"""Requests that are answered before something else is done."""

REVOKED_SECONDS = 2.0
MOST_SECONDS = 120.0
USERS = "/rest/scim/v2/Users"
HEADERS = {"Content-Type": "application/scim+json"}


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    environ = conftest.environment() | {"MUSTER_GATEWAY_PROCESSES": "2"}
    with stacks.lean(tmp_path_factory.mktemp("loaded"), environ) as running:
        yield running


@pytest.fixture
def settings(own_stack: Stack) -> Settings:
    return own_stack.settings


@dataclass
class Load:
    """What is sent with a secret that may be another one for the next request, and what came of it."""

    secret: str
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: list[float] = field(default_factory=list)
    """When the requests began that were accepted, by the clock that never goes back."""
    used: dict[int, str] = field(default_factory=dict)
    """The secret that each sender shows at the moment."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, status: int, begun: float) -> None:
        """Note what a request that began then was answered."""
        with self.lock:
            self.statuses[status] += 1
            if status < 300:
                self.accepted.append(begun)

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the load go on until something holds."""
        end = time.monotonic() + MOST_SECONDS
        while not condition():
            assert time.monotonic() < end, self.statuses
            time.sleep(0.01)

    def go_on(self) -> None:
        """Let so many more requests be answered, at whichever process."""
        wanted = self.statuses.total() + SETTLED
        self.until(lambda: self.statuses.total() >= wanted)


@contextmanager
def load(settings: Settings, secret: str) -> Iterator[Load]:
    """Read and write for the duration of the block; each request is a connection, which goes to either process."""
    given, is_over = Load(secret), threading.Event()
    senders = [threading.Thread(target=_send, args=(n, settings, given, is_over)) for n in range(SENDERS)]
    for each in senders:
        each.start()
    try:
        yield given
    finally:
        is_over.set()
        for each in senders:
            each.join()


def test_no_request_fails_while_a_token_is_rotated(settings: Settings, own_engine: Engine, own_tenant: Tenant) -> None:
    """As an admin does it: make the successor, paste it, and retire the old one when nobody uses it any more."""
    with load(settings, own_tenant.secret) as sent:
        sent.go_on()
        for _ in range(ROTATIONS):
            with database.transaction(own_engine) as connection:
                old = tokens.authenticate(connection, sent.secret)
                assert old is not None
                successor = tokens.rotate(connection, old.token_id, timedelta(days=1))
            before, sent.secret = sent.secret, successor
            sent.until(lambda before=before: before not in sent.used.values())  # type: ignore[misc]
            sent.go_on()
            with database.transaction(own_engine) as connection:
                assert tokens.revoke(connection, old.token_id)
            sent.go_on()

    assert set(sent.statuses) == {200, 201}
    assert sent.statuses.total() >= (2 * ROTATIONS + 1) * SETTLED


def test_no_request_fails_while_the_key_is_rotated_that_signs_access_tokens(
    settings: Settings, own_engine: Engine, own_tenant: Tenant
) -> None:
    """The key signs at once, which is harder than what the worker does: it publishes a key before that signs."""
    with database.transaction(own_engine) as connection:
        made = clients.create_with_secret(connection, own_tenant.principal.tenant_id, "x", Terms(lifetime=None))
    issued = [_access_token(settings, *made)]

    with load(settings, issued[0]) as sent:
        sent.go_on()
        for _ in range(ROTATIONS):
            with database.transaction(own_engine) as connection:
                signing_keys.rotate(connection, timedelta())
            sent.go_on()
            issued.append(_access_token(settings, *made))
            sent.secret = issued[-1]
            sent.go_on()
        # The tokens of all keys go on, the first one's too.
        sent.secret = issued[0]
        sent.go_on()

    assert set(sent.statuses) == {200, 201}
    assert len(set(issued)) == ROTATIONS + 1


@pytest.mark.parametrize("kind", ["token", "client", "key"])
def test_two_seconds_after_a_revocation_nothing_is_accepted_any_more(
    settings: Settings, own_engine: Engine, own_tenant: Tenant, kind: str
) -> None:
    with database.transaction(own_engine) as connection:
        made = clients.create_with_secret(connection, own_tenant.principal.tenant_id, "x", Terms(lifetime=None))
        kid = signing_keys.signer(connection).kid
    secret = own_tenant.secret if kind == "token" else _access_token(settings, *made)

    with load(settings, secret) as sent:
        sent.go_on()
        with database.transaction(own_engine) as connection:
            if kind == "token":
                tokens.revoke(connection, own_tenant.principal.token_id)
            elif kind == "client":
                clients.revoke(connection, made[0])
            else:
                signing_keys.revoke(connection, str(kid))
        revoked = time.monotonic()
        sent.until(lambda: time.monotonic() > revoked + REVOKED_SECONDS + 1)

    assert set(sent.statuses) == {200, 201, 401}
    assert max(sent.accepted) - revoked < REVOKED_SECONDS


def _send(number: int, settings: Settings, given: Load, is_over: threading.Event) -> None:
    for is_write in cycle((False, False, True)):
        if is_over.is_set():
            return
        begun, given.used[number] = time.monotonic(), given.secret
        headers = HEADERS | {"Authorization": f"Bearer {given.used[number]}"}
        connection = http.client.HTTPConnection(settings.gateway_bind, timeout=60)
        if is_write:
            connection.request("POST", USERS, json.dumps(person()), headers)
        else:
            connection.request("GET", f"{USERS}?count=0", headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        given.note(answer.status, begun)


def _access_token(settings: Settings, client_id: object, secret: str) -> str:
    given = {"grant_type": "client_credentials", "client_id": str(client_id), "client_secret": secret}
    answer = httpx.post(f"{settings.public_url}/oauth/token", data=given, timeout=60)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])
