"""The commands that look at operations: which ones they find, and what they show of one."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from services.cli import main
from services.directory import database, ids, journal
from services.directory.journal import Write
from shared.scim.schemas import enterprise, user
from shared.settings import Settings
from tests import poison
from tests.factories import Tenant, patch, person, replace, write


@pytest.fixture
def environ(servers: Settings, engine: Engine) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}


def operations(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, ["operations", *arguments], env=environ)


def accept(engine: Engine, *writes: Write) -> None:
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, 4)


def found(environ: dict[str, str], *arguments: str) -> set[str]:
    result = operations(environ, "list", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return {line["id"] for line in json.loads(result.stdout)}


def show(environ: dict[str, str], shown: Write, *arguments: str) -> str:
    """Return what is shown of an operation, without the table's spaces."""
    return " ".join(operations(environ, "show", str(shown.id), *arguments).stdout.split())


def doomed(tenant: Tenant) -> Write:
    return write(tenant, request=person(title=poison.MARK))


def test_each_filter_finds_its_operations_and_all_must_hold(
    engine: Engine, environ: dict[str, str], tenant: Tenant
) -> None:
    lane = ids.new()
    made = write(tenant, lane=lane, request_id="request-1")
    changed = write(tenant, "PATCH", patch(replace("title", "x")), lane=lane, request_id="request-2")
    dead = doomed(tenant)
    poison.die(engine, dead)
    accept(engine, made)
    accept(engine, changed)
    mine = ("--tenant", tenant.principal.tenant)

    expected = [
        ([], [made, changed, dead]),
        (["--pending"], [made, changed]),
        (["--dead"], [dead]),
        (["--state", "dead"], [dead]),
        (["--request", "request-2"], [changed]),
        (["--resource", str(lane)], [made, changed]),
        (["--method", "patch"], [changed]),
        (["--error", "raiseexception"], [dead]),
        (["--error", "given up"], [dead]),
        (["--error", "%"], []),
        (["--since", "5m"], [made, changed, dead]),
        (["--until", "5m"], []),
        (["--since", (datetime.now(UTC) + timedelta(days=1)).isoformat()], []),
        (["--pending", "--method", "POST", "--resource", str(lane)], [made]),
    ]
    for arguments, writes in expected:
        assert found(environ, *mine, *arguments) == {str(each.id) for each in writes}, arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--dead", "--pending"], "exclude each other"),
        (["list", "--since", "yesterday"], "write 30m, 2h, 7d"),
        (["list", "--state", "lost"], "'lost' is not one of"),
        (["retry"], "Give either IDs or filters"),
        (["retry", str(ids.new()), "--dead"], "Give either IDs or filters"),
        (["discard", str(ids.new())], "Missing option '--why'"),
        (["discard", str(ids.new()), "--why", " "], "--why needs a reason"),
    ],
)
def test_a_command_that_makes_no_sense_is_a_usage_error(
    environ: dict[str, str], arguments: list[str], said: str
) -> None:
    result = operations(environ, *arguments)

    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("command", ["list", "show", "retry", "discard"])
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(main, ["operations", command, "--help"])

    assert result.exit_code == 0
    assert f"muster operations {command}" in result.stdout or command == "show"


def test_a_dead_operation_is_shown_with_its_failed_starts_and_what_to_do(
    engine: Engine, environ: dict[str, str], tenant: Tenant
) -> None:
    dead = doomed(tenant)
    poison.die(engine, dead)

    shown = operations(environ, "show", str(dead.id))
    document = json.loads(operations(environ, "show", "--json", str(dead.id)).stdout)

    assert f"muster operations retry {dead.id}" in shown.stdout
    [failure] = document["failures"]
    assert (failure["error"], failure["counts"]) == ("RaiseException P0001", True)
    assert failure["where"].startswith("services.directory.store.")
    assert failure["where"] in shown.stdout
    assert (document["state"], document["status"], document["starts"]) == ("dead", 500, 1)


def test_a_request_is_shown_without_values_that_may_be_personal(
    engine: Engine, environ: dict[str, str], tenant: Tenant
) -> None:
    manager = str(ids.new())
    private = write(
        tenant,
        request=person(
            userName="zebulon@secret.example",
            name={"familyName": "Zebulon"},
            active=False,
            emails=[{"value": "zebulon@secret.example", "type": "work"}],
        )
        | {enterprise.URN: {"manager": {"value": manager}}},
    )
    changed = write(
        tenant, "PATCH", patch(replace('emails[value eq "zebulon@secret.example"].type', "home")), lane=private.lane
    )
    accept(engine, private)
    accept(engine, changed)

    shown = [show(environ, each) for each in (private, changed)]
    opened = [show(environ, each, "--values") for each in (private, changed)]

    assert "zebulon" not in "".join(shown).lower()
    assert "name.familyName string of 7 characters" in shown[0]
    assert "active false" in shown[0]
    assert "emails[1].type work" in shown[0]
    assert manager in shown[0]
    assert "emails[value eq string of 22 characters].type home" in shown[1]
    assert ["zebulon@secret.example" in text for text in opened] == [True, True]


def test_a_secret_is_shown_to_nobody(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    """It is not journaled either; an older journal may hold what is a secret now."""
    old = write(tenant, request={"userName": "a", "password": "hunter2", "shoeSize": 44})
    accept(engine, old)

    shown = show(environ, old, "--values")

    assert "hunter2" not in shown
    assert "password a secret" in shown
    assert "shoeSize is declared no longer" in shown
    assert user.URN not in shown
