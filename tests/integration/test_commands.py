"""The commands of the operator: tenants, tokens, operations, and what they say when something is wrong."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from services.cli import main
from services.directory import database, ids, journal, store, tokens
from shared.scim.resource_types import USERS
from shared.settings import Settings
from tests.factories import Tenant, person, write

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def environ(servers: Settings, engine: Engine) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}


def muster(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environ)


def test_a_token_of_a_new_tenant_opens_its_door(engine: Engine, environ: dict[str, str]) -> None:
    made = muster(environ, "tenant", "create", "acme", "--domain", "hr.acme.example")
    given = muster(environ, "token", "create", "acme", "--name", "entra")

    assert (made.exit_code, given.exit_code) == (0, 0)
    secret = given.stdout.removesuffix("\n")
    with database.transaction(engine) as connection:
        principal = tokens.authenticate(connection, secret)
    assert principal is not None
    assert (principal.tenant, principal.domain) == ("acme", "hr.acme.example")
    assert re.search(r"acme\s+hr\.acme\.example", muster(environ, "tenant", "list").stdout)
    listed = muster(environ, "token", "list", "--tenant", "acme").stdout
    assert secret not in listed
    assert secret[-4:] in listed


def test_a_revoked_token_opens_nothing(engine: Engine, environ: dict[str, str]) -> None:
    muster(environ, "tenant", "create", "closing")
    secret = muster(environ, "token", "create", "closing").stdout.strip()
    [found] = re.findall(r"[0-9a-f-]{36}", muster(environ, "token", "list", "--tenant", "closing").stdout)

    first = muster(environ, "token", "revoke", found)
    second = muster(environ, "token", "revoke", found)

    assert (first.exit_code, second.exit_code) == (0, 1)
    with database.transaction(engine) as connection:
        assert tokens.authenticate(connection, secret) is None


def test_a_token_is_bound_to_a_user_by_name(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    slug, user_id = tenant.principal.tenant, ids.new()
    with database.transaction(engine) as connection:
        store.create(connection, USERS, tenant.principal.tenant_id, user_id, person(userName="Ada@example.com"), NOW)

    given = muster(environ, "token", "create", slug, "--user", "ada@EXAMPLE.com")
    refused = muster(environ, "token", "create", slug, "--user", "bob@example.com")

    with database.transaction(engine) as connection:
        principal = tokens.authenticate(connection, given.stdout.strip())
    assert principal is not None
    assert principal.user_id == user_id
    assert str(user_id) in muster(environ, "token", "list", "--tenant", slug).stdout
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "The tenant has no User 'bob@example.com'" in refused.stderr


def test_operations_are_shown_without_the_values_they_carry(
    engine: Engine, environ: dict[str, str], tenant: Tenant
) -> None:
    private = write(tenant, request=person(userName="zebulon@secret.example"))
    with database.transaction(engine) as connection:
        journal.accept(connection, [private], 4)

    listed = muster(environ, "operations", "list", "--tenant", tenant.principal.tenant, "--state", "pending")
    shown = muster(environ, "operations", "show", str(private.id))

    assert str(private.id) in listed.stdout
    assert str(private.lane) in shown.stdout
    assert "zebulon" not in listed.stdout + shown.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tenant", "create", "Not A Slug"], "cannot be a tenant's name"),
        (["tenant", "create", "x", "--domain", "https://x.example/"], "is not a domain"),
        (["token", "create", "nobody"], "muster tenant create nobody"),
        (["token", "revoke", "nonsense"], "is not the id of any token"),
        (["operations", "show", "01a20a4c-8cac-7161-8262-5fdf177381cc"], "There is no such operation"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(environ: dict[str, str], arguments: list[str], said: str) -> None:
    result = muster(environ, *arguments)

    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_tenant_is_made_once(environ: dict[str, str]) -> None:
    assert muster(environ, "tenant", "create", "twice").exit_code == 0

    assert "already" in muster(environ, "tenant", "create", "twice").stderr


def test_without_a_stack_the_command_says_how_to_start_one(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["tenant", "list", "--data", str(tmp_path)], env={"MUSTER_DATABASE_URL": ""})

    assert result.exit_code == 1
    assert "muster up" in result.stderr


def test_a_database_that_cannot_be_reached_is_named_in_one_line() -> None:
    nowhere = {"MUSTER_DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "MUSTER_BROKER_URL": "redis://127.0.0.1:1/0"}

    result = CliRunner().invoke(main, ["tenant", "list"], env=nowhere)

    assert result.exit_code == 1
    assert "The database cannot be reached" in result.stderr


def test_flower_does_not_open_its_door_to_everybody(environ: dict[str, str]) -> None:
    result = muster(environ | {"MUSTER_FLOWER_BIND": "0.0.0.0:5555"}, "flower")

    assert result.exit_code == 1
    assert "MUSTER_FLOWER_BASIC_AUTH" in result.stderr


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])

    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4
