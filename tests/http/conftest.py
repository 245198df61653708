"""What only tests over HTTP need."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import Engine, text

from services.directory import database, tokens
from shared.settings import Settings
from tests.factories import Client, Tenant


class Journal:
    """Everything that the journal and the history hold, as text, read anew at each look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __contains__(self, needle: str) -> bool:
        query = text("""
            SELECT EXISTS (SELECT FROM operation o WHERE o::text LIKE :x)
                OR EXISTS (SELECT FROM history h WHERE h::text LIKE :x)
        """)
        with database.transaction(self._engine) as connection:
            return connection.scalar(query, {"x": f"%{needle}%"}) is True

    def outcomes(self) -> str:
        """Return what the journal says that operations ended in, and the whole history."""
        query = text("""
            SELECT coalesce((SELECT string_agg(outcome::text, ' ') FROM operation), '')
                || coalesce((SELECT string_agg(changes::text, ' ') FROM history), '')
        """)
        with database.transaction(self._engine) as connection:
            return str(connection.scalar(query))


@pytest.fixture
def stack_operations(stack_engine: Engine) -> Journal:
    """What the journal holds."""
    return Journal(stack_engine)


@pytest.fixture
def colleague(stack: Settings, stack_engine: Engine, client: Client) -> Iterator[Client]:
    """A client of the same tenant, with another token."""
    with database.transaction(stack_engine) as connection:
        secret = tokens.create(connection, client.tenant.principal.tenant_id, "another")
        principal = tokens.authenticate(connection, secret)
    assert principal is not None
    with Client(stack.public_url, Tenant(principal=principal, secret=secret)) as http:
        yield http


def settled(client: Client, location: str) -> httpx.Response:
    """Ask for a result until there is one."""
    for _ in range(10_000):
        response = client.get(location)
        if response.status_code != 202:
            return response
    raise AssertionError("the operation is still pending")


def verified(client: Client, token: str) -> dict[str, Any]:
    """Return the claims of a security event token, verified with the published keys."""
    decoded = jwt.decode(token, _keys(f"{client.base_url}jwks.json"), algorithms=["ES256"])
    assert decoded.header["typ"] == "secevent+jwt"
    return decoded.claims


@cache
def _keys(url: str) -> KeySet:
    return KeySet.import_key_set(httpx.get(url).json())
