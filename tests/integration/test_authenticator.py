"""Who sends a request: what is remembered for a moment may end at any moment."""

from dataclasses import replace

from sqlalchemy import Engine

from services.directory import database, ids, tenants
from services.gateway import identity
from services.gateway.flushing import TokenUses
from shared.settings import Settings


def test_a_portal_is_known_though_nothing_is_remembered(engine: Engine, servers: Settings) -> None:
    """With no time to remember it, what was found out just now has ended already."""
    domain = f"{ids.new()}.example"
    with database.transaction(engine) as connection:
        made = tenants.create(connection, f"of-{domain[:8]}-{domain[-12:-8]}", domain)
    settings = replace(servers, token_cache_seconds=0.0)

    authenticator = identity.create(settings, engine, TokenUses(engine)).authenticator

    assert [authenticator.portal(domain), authenticator.portal("nobody.example")] == [made.id, None]
