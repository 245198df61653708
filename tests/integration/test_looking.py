"""Looking things up: of those who ask for the same at the same time one looks."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask import Request
from sqlalchemy import Engine, event
from werkzeug.test import EnvironBuilder

from services.gateway import identity
from services.gateway.auth import Authenticator
from services.gateway.flushing import TokenUses
from services.gateway.looking import OneAtATime
from shared.scim.errors import UnauthorizedError
from shared.settings import Settings
from tests.factories import Tenant

MANY = 12


def test_many_requests_with_one_token_cost_one_look(engine: Engine, servers: Settings, tenant: Tenant) -> None:
    authenticator = identity.create(replace(servers, token_cache_seconds=60), engine, TokenUses(engine)).authenticator
    looks: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        looks.extend(table for table in ("FROM token", "tenant.domain =") if table in statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        found = at_once(authenticator, tenant.secret)
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert found == [tenant.principal.tenant_id] * MANY
    assert sorted(looks) == ["FROM token", "tenant.domain ="]


def test_a_wrong_token_is_refused_for_each_who_waited(engine: Engine, servers: Settings, tenant: Tenant) -> None:
    authenticator = identity.create(servers, engine, TokenUses(engine)).authenticator

    with pytest.raises(UnauthorizedError):
        at_once(authenticator, f"{tenant.secret[:-1]}x")
    assert authenticator.principal(request(tenant.secret)).tenant_id == tenant.principal.tenant_id


def test_who_looks_for_something_else_does_not_wait() -> None:
    turns, is_over = OneAtATime(), []

    with turns.looking("one"), turns.looking("other"):
        is_over.append(True)

    assert is_over == [True]


def at_once(authenticator: Authenticator, secret: str) -> list[UUID]:
    """Ask for the same token from many threads, and return whose it is."""
    barrier = threading.Barrier(MANY)

    def ask(_: int) -> UUID:
        barrier.wait()
        return authenticator.principal(request(secret)).tenant_id

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(ask, range(MANY)))


def request(secret: str) -> Request:
    """Return a request with a bearer token."""
    headers = [("Authorization", f"Bearer {secret}")]
    return Request(EnvironBuilder("/", headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"}).get_environ())
