"""The audit: every thing that an operator does is a row, the rows are chained, and who alters one is found out."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from services.cli import main
from services.directory import audit, audit_chain, audit_reading, database, journal, sealing
from services.directory.audit_chain import INSTALLATION, Action, Row
from services.directory.audit_reading import Verdict
from shared.outcomes import Outcome
from shared.settings import Settings
from tests.factories import Tenant, write

OPERATOR = "olive"


@pytest.fixture
def environ(servers: Settings, engine: Engine) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url, "LOGNAME": OPERATOR}


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environ)


def rows_of(engine: Engine, chain: UUID) -> list[Row]:
    with database.snapshot(engine) as connection:
        return list(audit_reading.every(connection, chain))


def verdict_of(engine: Engine, chain: UUID) -> Verdict:
    with database.snapshot(engine) as connection:
        return audit_reading.verify(connection, chain)


def append(engine: Engine, tenant: Tenant, times: int) -> None:
    for number in range(times):
        with database.transaction(engine) as connection:
            audit.record(
                connection,
                tenant.principal.tenant_id,
                Action.TOKEN_CREATED,
                actor=OPERATOR,
                target=f"token {number}",
                details={"name": f"name {number}"},
            )


def settle(engine: Engine, tenant: Tenant, statuses: list[int]) -> list[UUID]:
    """Accept writes and settle them, as a drain does."""
    writes = [write(tenant) for _ in statuses]
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, 4)
        ended = [Outcome(operation_id=w.id, status=status) for w, status in zip(writes, statuses, strict=True)]
        journal.settle(connection, ended)
    return [each.id for each in writes]


def alter(engine: Engine, tenant: Tenant, statement: str, **values: Any) -> None:
    with database.transaction(engine) as connection:
        changed = connection.execute(text(statement), {"tenant": tenant.principal.tenant_id} | values)
        assert changed.rowcount > 0


def test_each_command_that_changes_something_is_a_row_with_who_and_what(
    environ: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "badge.toml"
    file.write_text('resourceType = "User"\nid = "urn:example:audited"\nname = "A"\n[[attributes]]\nname = "a"\n')
    done = [
        run(environ, "tenant", "create", "audited", "--domain", "audited.example.com"),
        run(environ, "token", "create", "audited", "--name", "Entra ID", "--scope", "read", "--scope", "users"),
    ]
    token_id = json.loads(run(environ, "audit", "list", "--tenant", "audited", "--json").stdout)[0]["target"]
    done += [
        run(environ, "token", "rotate", token_id),
        run(environ, "token", "retire", token_id),
        run(environ, "extension", "add", "audited", str(file)),
        run(environ, "extension", "remove", "audited", "urn:example:audited"),
    ]

    result = run(environ, "audit", "list", "--tenant", "audited", "--json")

    found = json.loads(result.stdout)[::-1]
    assert [each.exit_code for each in done] == [0] * 6
    assert {each["actor"] for each in found} == {OPERATOR}
    assert [each["action"] for each in found] == [
        *("tenant created", "token created", "token rotated", "token retired"),
        *("extension declared", "extension removed"),
    ]
    assert found[1]["details"]["scopes"] == ["read", "users"]
    assert found[2]["details"]["successor"] != token_id
    assert "mst_" not in result.stdout


def test_a_command_that_fails_leaves_no_row(environ: dict[str, str], engine: Engine, tenant: Tenant) -> None:
    slug = tenant.principal.tenant

    failed = run(environ, "extension", "remove", slug, "urn:example:nothing")

    assert failed.exit_code == 1
    assert rows_of(engine, tenant.principal.tenant_id) == []


def test_a_chain_that_nobody_touched_is_whole(engine: Engine, tenant: Tenant) -> None:
    append(engine, tenant, 3)

    found = rows_of(engine, tenant.principal.tenant_id)

    assert [row.seq for row in found] == [1, 2, 3]
    assert [row.previous for row in found] == [audit_chain.BEGINNING, found[0].hash, found[1].hash]
    assert verdict_of(engine, tenant.principal.tenant_id).fault is None


def test_many_who_write_at_once_make_one_chain(engine: Engine, tenant: Tenant) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: append(engine, tenant, 5), range(8)))

    verdict = verdict_of(engine, tenant.principal.tenant_id)

    assert (verdict.rows, verdict.fault) == (40, None)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit SET actor = 'somebody else' WHERE tenant_id = :tenant AND seq = 2", "it was altered"),
        ("UPDATE audit SET action = 'tenant created' WHERE tenant_id = :tenant AND seq = 2", "it was altered"),
        ("UPDATE audit SET target = NULL WHERE tenant_id = :tenant AND seq = 2", "it was altered"),
        ("UPDATE audit SET at = at + interval '1 us' WHERE tenant_id = :tenant AND seq = 2", "it was altered"),
        ("UPDATE audit SET digest = 'x' WHERE tenant_id = :tenant AND seq = 2", "it was altered"),
        ("UPDATE audit SET details = '{}' WHERE tenant_id = :tenant AND seq = 2", "its details were altered"),
        ("UPDATE audit SET salt = 'x' WHERE tenant_id = :tenant AND seq = 2", "its details were altered"),
        (
            "UPDATE audit SET salt = NULL, details = NULL WHERE tenant_id = :tenant AND seq = 2",
            "its details are gone, and no erasure says so",
        ),
        ("DELETE FROM audit WHERE tenant_id = :tenant AND seq = 2", "it is missing"),
        (
            "UPDATE audit SET previous = 'x' WHERE tenant_id = :tenant AND seq = 2",
            "it does not follow the row before it",
        ),
    ],
)
def test_the_first_row_that_was_altered_is_named(engine: Engine, tenant: Tenant, statement: str, says: str) -> None:
    append(engine, tenant, 4)
    alter(engine, tenant, "UPDATE audit SET actor = 'later' WHERE tenant_id = :tenant AND seq = 4")

    alter(engine, tenant, statement)

    fault = verdict_of(engine, tenant.principal.tenant_id).fault
    assert fault is not None
    assert (fault.seq, fault.says) == (2, says)


def test_a_row_that_was_altered_together_with_its_hash_is_given_away_by_the_next(
    engine: Engine, tenant: Tenant
) -> None:
    append(engine, tenant, 3)
    second = rows_of(engine, tenant.principal.tenant_id)[1]
    forged = Row(**(vars(second) | {"actor": "mallory"}))

    alter(
        engine,
        tenant,
        "UPDATE audit SET actor = 'mallory', hash = :hash WHERE tenant_id = :tenant AND seq = 2",
        hash=audit_chain.hash_of(forged),
    )

    fault = verdict_of(engine, tenant.principal.tenant_id).fault
    assert fault is not None
    assert (fault.seq, fault.says) == (3, "it does not follow the row before it")


def test_a_chain_that_was_cut_off_or_written_anew_does_not_have_the_end_that_was_noted(
    environ: dict[str, str], engine: Engine, tenant: Tenant
) -> None:
    slug = tenant.principal.tenant
    append(engine, tenant, 3)
    noted = json.loads(run(environ, "audit", "verify", "--tenant", slug, "--json").stdout)[0]["head"]
    before = run(environ, "audit", "verify", "--tenant", slug, "--head", noted)

    alter(engine, tenant, "DELETE FROM audit WHERE tenant_id = :tenant AND seq = 3")
    cut = run(environ, "audit", "verify", "--tenant", slug, "--head", noted)
    append(engine, tenant, 1)
    anew = run(environ, "audit", "verify", "--tenant", slug, "--head", noted)
    without = run(environ, "audit", "verify", "--tenant", slug)

    assert (before.exit_code, without.exit_code) == (0, 0)
    assert cut.exit_code == 1
    assert "row 3: it is missing: the chain was longer" in cut.stdout
    assert anew.exit_code == 1
    assert "row 3: it is not the row that was noted" in anew.stdout


def test_what_tokens_changed_is_sealed_in_its_order(engine: Engine, tenant: Tenant) -> None:
    first = settle(engine, tenant, [201, 409, 201])
    second = settle(engine, tenant, [200])

    sealed = sealing.seal(engine)
    again = sealing.seal(engine)

    [row] = rows_of(engine, tenant.principal.tenant_id)
    assert sealed >= 3
    assert again == 0
    assert [UUID(line[0]) for line in row.details["operations"]] == [first[0], first[2], *second]
    assert {line[2] for line in row.details["operations"]} == {str(tenant.principal.token_id)}
    assert verdict_of(engine, tenant.principal.tenant_id).fault is None


def test_many_who_seal_at_once_seal_each_write_once(engine: Engine, tenant: Tenant) -> None:
    expected = [each for _ in range(10) for each in settle(engine, tenant, [201] * 20)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: sealing.seal(engine), range(8)))

    found = [UUID(line[0]) for row in rows_of(engine, tenant.principal.tenant_id) for line in row.details["operations"]]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE operation SET token_id = gen_random_uuid() WHERE id = :id", "was altered in the journal"),
        ("UPDATE operation SET status = 200 WHERE id = :id", "was altered in the journal"),
        ("DELETE FROM operation WHERE id = :id", "is missing in the journal"),
    ],
)
def test_a_sealed_write_that_is_altered_in_the_journal_is_found(
    engine: Engine, tenant: Tenant, statement: str, says: str
) -> None:
    [operation_id] = settle(engine, tenant, [201])
    sealing.seal(engine)

    alter(engine, tenant, statement, id=operation_id)

    fault = verdict_of(engine, tenant.principal.tenant_id).fault
    assert fault is not None
    assert fault.seq == 1
    assert says in fault.says


def test_the_writes_of_a_row_are_listed_one_by_one(environ: dict[str, str], engine: Engine, tenant: Tenant) -> None:
    operation_ids = settle(engine, tenant, [201, 201])
    sealing.seal(engine)

    brief = run(environ, "audit", "list", "--tenant", tenant.principal.tenant)
    full = run(environ, "audit", "list", "--tenant", tenant.principal.tenant, "--writes")

    assert "2 writes" in brief.stdout
    assert [str(each) in full.stdout for each in operation_ids] == [True, True]
    assert f"token {tenant.principal.token_id}" in full.stdout


def test_an_export_can_be_verified_without_the_database(
    environ: dict[str, str], engine: Engine, tenant: Tenant, tmp_path: Path
) -> None:
    append(engine, tenant, 2)
    settle(engine, tenant, [201])
    sealing.seal(engine)
    file = tmp_path / "audit.jsonl"

    result = run(environ, "audit", "export", "--tenant", tenant.principal.tenant, "--output", str(file))

    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert result.exit_code == 0
    assert [row["action"] for row in rows] == ["token created", "token created", "writes sealed", "audit exported"]
    previous = audit_chain.BEGINNING.hex()
    for row in rows:
        assert row["previous"] == previous
        assert audit_chain.digest(bytes.fromhex(row["salt"]), row["details"]).hex() == row["digest"]
        previous = row["hash"]


def test_what_concerns_no_tenant_is_in_the_chain_of_the_installation(environ: dict[str, str], engine: Engine) -> None:
    before = len(rows_of(engine, INSTALLATION))

    exported = run(environ, "audit", "export")
    listed = run(environ, "audit", "list", "--limit", "1")

    [row] = rows_of(engine, INSTALLATION)[before:]
    assert exported.exit_code == 0
    assert row.action == Action.AUDIT_EXPORTED
    assert "the installation" in listed.stdout
    assert verdict_of(engine, INSTALLATION).fault is None


def test_who_looks_at_values_is_written_down(environ: dict[str, str], engine: Engine, tenant: Tenant) -> None:
    [operation_id] = settle(engine, tenant, [201])

    without = run(environ, "operations", "show", str(operation_id))
    with_values = run(environ, "operations", "show", str(operation_id), "--values")

    [row] = rows_of(engine, tenant.principal.tenant_id)
    assert (without.exit_code, with_values.exit_code) == (0, 0)
    assert (row.action, row.target, row.actor) == (Action.VALUES_SHOWN, str(operation_id), OPERATOR)


def test_what_is_done_about_clients_and_keys_is_written_down(
    environ: dict[str, str], engine: Engine, tenant: Tenant
) -> None:
    slug, before = tenant.principal.tenant, len(rows_of(engine, INSTALLATION))
    created = run(environ, "client", "create", "reports", "--tenant", slug, "--scope", "read", "--scope", "users")
    client_id = created.stdout.splitlines()[0].removeprefix("client id: ")
    secret = created.stdout.splitlines()[1].removeprefix("client secret: ")

    revoked = run(environ, "client", "revoke", client_id)
    rotated = run(environ, "keys", "rotate")

    found = rows_of(engine, tenant.principal.tenant_id)
    assert (revoked.exit_code, rotated.exit_code) == (0, 0)
    assert [(row.action, row.target) for row in found] == [("client created", client_id), ("client revoked", client_id)]
    assert found[0].details["scopes"] == ["read", "users"]
    assert secret not in str(found)
    assert [row.action for row in rows_of(engine, INSTALLATION)[before:]] == ["signing keys rotated"]
