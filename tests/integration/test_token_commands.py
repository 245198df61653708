"""The life of a token as an operator sees it: made on terms, rotated, retired, and warned of before its end."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select, update

from services.cli import main
from services.directory import database, tables, tokens
from services.directory.tokens import Scope, Terms
from shared.settings import Settings
from tests.factories import Tenant


@pytest.fixture
def environ(servers: Settings, engine: Engine) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}


def muster(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environ)


def change(engine: Engine, tenant: Tenant, **values: object) -> None:
    with database.transaction(engine) as connection:
        mine = tables.token.c.id == tenant.principal.token_id
        connection.execute(update(tables.token).where(mine).values(values))


def test_a_token_is_made_on_terms(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    slug = tenant.principal.tenant
    options = ["--scope", "read", "--scope", "users", "--network", "203.0.113.0/24", "--expires", "90d"]

    secret = muster(environ, "token", "create", slug, *options).stdout.strip()
    endless = muster(environ, "token", "create", slug, "--expires", "never").stdout.strip()

    with database.transaction(engine) as connection:
        principal, other = tokens.authenticate(connection, secret), tokens.authenticate(connection, endless)
    assert principal is not None
    assert other is not None
    assert (principal.scopes, list(principal.networks)) == (frozenset({Scope.READ, Scope.USERS}), ["203.0.113.0/24"])
    assert principal.expires_at is not None
    assert 89 <= (principal.expires_at - datetime.now(UTC)).days <= 90
    assert (other.scopes, other.expires_at) == (tokens.EVERYTHING, None)
    listed = muster(environ, "token", "list", "--tenant", slug).stdout
    assert re.search(r"active +read users +203\.0\.113\.0/24 ", listed)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scope", "read"], "could do nothing"),
        (["--network", "203.0.113.7/24"], "is not a network"),
        (["--expires", "0d"], "above 0"),
        (["--expires", "soon"], "is not a length of time"),
        (["--name", "\n"], "characters that can be printed"),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    environ: dict[str, str], tenant: Tenant, options: list[str], said: str
) -> None:
    refused = muster(environ, "token", "create", tenant.principal.tenant, *options)

    assert refused.exit_code != 0
    assert said in refused.stderr
    assert refused.stdout == ""


def test_a_successor_has_the_terms_of_the_old_one(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    narrow = Terms(scopes={Scope.READ, Scope.USERS}, networks=["10.0.0.0/8"], lifetime=timedelta(days=90))
    with database.transaction(engine) as connection:
        old = tokens.authenticate(
            connection, tokens.create(connection, tenant.principal.tenant_id, "old", terms=narrow)
        )
    assert old is not None

    rotated = muster(environ, "token", "rotate", str(old.token_id), "--overlap", "2d")
    again = muster(environ, "token", "rotate", str(old.token_id))

    with database.transaction(engine) as connection:
        new, was = tokens.authenticate(connection, rotated.stdout.strip()), tokens.find(connection, old.token_id)
    assert new is not None
    assert was is not None
    assert (new.scopes, list(new.networks)) == (old.scopes, list(old.networks))
    assert was.replaced_by == new.token_id
    assert was.expires_at is not None
    assert was.expires_at < datetime.now(UTC) + timedelta(days=2, minutes=1)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "has a successor already" in again.stderr


def test_a_token_is_not_retired_while_somebody_uses_it(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    token_id = str(tenant.principal.token_id)

    alone = muster(environ, "token", "retire", token_id)
    muster(environ, "token", "rotate", token_id)
    with database.transaction(engine) as connection:
        tokens.note_uses(connection, {tenant.principal.token_id: (datetime.now(UTC), "192.0.2.1")})
    used = muster(environ, "token", "retire", token_id)
    change(engine, tenant, last_used_at=datetime.now(UTC) - timedelta(days=2))
    retired = muster(environ, "token", "retire", token_id)

    assert "has no successor" in alone.stderr
    assert "by 192.0.2.1" in used.stderr
    assert [each.exit_code for each in (alone, used, retired)] == [1, 1, 0]
    with database.transaction(engine) as connection:
        revoked = connection.scalar(select(tables.token.c.revoked_at).where(tables.token.c.id == token_id))
    assert revoked is not None


def test_an_older_use_does_not_hide_a_later_one(engine: Engine, tenant: Tenant) -> None:
    now, mine = datetime.now(UTC), tenant.principal.token_id
    with database.transaction(engine) as connection:
        tokens.note_uses(connection, {mine: (now, "192.0.2.1")})
        tokens.note_uses(connection, {mine: (now - timedelta(hours=1), "192.0.2.2")})

        found = tokens.find(connection, mine)

    assert found is not None
    assert (found.last_used_at, found.last_used_from) == (now, "192.0.2.1")


def test_each_warning_is_given_once(engine: Engine, tenant: Tenant) -> None:
    def warned(days: float) -> list[int]:
        change(engine, tenant, expires_at=datetime.now(UTC) + timedelta(days=days))
        with database.transaction(engine) as connection:
            return [each.days for each in tokens.ending(connection) if each.id == tenant.principal.token_id]

    assert [warned(days) for days in (40, 29, 28, 13, 6, 6, 0.5, -1)] == [[], [30], [], [14], [7], [], [1], []]


def test_a_token_with_a_successor_is_not_warned_of(engine: Engine, tenant: Tenant) -> None:
    with database.transaction(engine) as connection:
        tokens.rotate(connection, tenant.principal.token_id, timedelta(days=5))

        found = [each.id for each in tokens.ending(connection)]

    assert tenant.principal.token_id not in found
