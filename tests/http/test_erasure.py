"""Erasing a person leaves no value of theirs anywhere; exporting a tenant writes out all but secrets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from services.cli import main
from services.directory import audit_reading, database, every_table, sealing
from services.directory.audit_chain import INSTALLATION
from shared.scim.schemas import enterprise
from shared.settings import Settings
from tests.factories import Client, bulk, bulk_post, employee, patch, person, replace, role
from tests.http.conftest import settled

# Nothing else in the database has any of these.
MARK = "zephyrine"
ADA = {
    "userName": f"{MARK}@example.com",
    "externalId": f"E-{MARK}",
    "displayName": f"Ada {MARK.title()}",
    "name": {"familyName": MARK.title(), "givenName": "Ada"},
    "emails": [{"value": f"{MARK}@work.example", "type": "work"}],
    "addresses": [{"streetAddress": f"1 {MARK} Street", "type": "home"}],
    "password": f"{MARK}-password",
}
URN = "urn:example:erased"
EXTENSION = f'resourceType = "User"\nid = "{URN}"\nname = "E"\n[[attributes]]\nname = "note"\n'


class Operator:
    """Whoever runs the commands."""

    def __init__(self, settings: Settings) -> None:
        self._environ = {"MUSTER_DATABASE_URL": settings.database_url, "MUSTER_BROKER_URL": settings.broker_url}

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env=self._environ)

    def erase(self, client: Client, who: str) -> Result:
        return self.run("tenant", "erase-person", client.tenant.principal.tenant, who, "--yes")


@pytest.fixture
def operator(stack: Settings) -> Operator:
    return Operator(stack)


def where(engine: Engine, needle: str) -> dict[str, int]:
    """Return the tables in which a text is, in whatever case, and in how many rows."""
    with database.transaction(engine) as connection:
        counts = {
            table.name: connection.scalar(
                text(f"SELECT count(*) FROM {table.name} t WHERE strpos(lower(t::text), :needle) > 0"),  # noqa: S608
                {"needle": needle.lower()},
            )
            for table in every_table.EVERY
        }
    return {name: count for name, count in counts.items() if count}


def live(client: Client, operator: Operator, tmp_path: Path) -> dict[str, Any]:
    """Let somebody leave traces wherever traces can be left."""
    slug = client.tenant.principal.tenant
    (tmp_path / "e.toml").write_text(EXTENSION)
    assert operator.run("extension", "add", slug, str(tmp_path / "e.toml")).exit_code == 0
    ada = client.create_user(**employee(**ADA, **{URN: {"note": f"likes {MARK}s"}}))
    client.patch(f"/Users/{ada['id']}", json=patch(replace("displayName", f"Countess {MARK}")))
    client.patch(f"/Users/{ada['id']}", json=patch(replace('emails[type eq "work"].value', f"{MARK}2@work.example")))
    client.put(f"/Users/{ada['id']}", json=person(**{**ADA, "title": f"{MARK} in chief", "displayName": f"Ada {MARK}"}))
    client.post("/Users", json=person(**{**ADA, "displayName": f"Another {MARK}"}))  # Refused: 409.
    group = client.create_group(members=[{"value": ada["id"], "display": f"Ada {MARK}"}])
    client.patch(f"/Groups/{group['id']}", json=patch({"op": "remove", "path": f'members[display eq "Ada {MARK}"]'}))
    client.patch(
        f"/Groups/{group['id']}", json=patch({"op": "add", "path": "members", "value": [{"value": ada["id"]}]})
    )
    boss = {enterprise.URN: {"manager": {"value": ada["id"]}}}
    client.create_user(**employee(**boss))
    made = bulk(
        bulk_post(ADA["userName"], "/Users", person(**ADA)),  # type: ignore[arg-type]
        bulk_post("g", "/Groups", role(members=[{"value": ada["id"]}])),
    )
    client.post("/Bulk", json=made)
    accepted = client.post("/Bulk", json=made, headers={"Prefer": "respond-async"})
    settled(client, accepted.headers["Location"])
    token = operator.run("token", "create", slug, "--name", f"{MARK}'s own", "--user", f"{MARK}@example.com")
    assert token.exit_code == 0
    return ada


def test_a_person_who_is_erased_is_found_nowhere(
    client: Client, operator: Operator, stack_engine: Engine, tmp_path: Path
) -> None:
    passwords_of_others = where(stack_engine, "$argon2id$")
    ada = live(client, operator, tmp_path)
    before = where(stack_engine, MARK)

    result = operator.erase(client, f"{MARK}@example.com")

    assert before.keys() >= {"employee", "history", "operation", "audit", "token"}
    assert result.exit_code == 0, result.output
    assert where(stack_engine, MARK) == {}
    assert where(stack_engine, "$argon2id$") == passwords_of_others
    assert client.get(f"/Users/{ada['id']}").status_code == 404


def test_the_audit_holds_after_an_erasure_and_tells_of_it(
    client: Client, operator: Operator, stack_engine: Engine, tmp_path: Path
) -> None:
    ada = live(client, operator, tmp_path)
    sealing.seal(stack_engine)
    operator.erase(client, ada["id"])

    verified = operator.run("audit", "verify", "--tenant", client.tenant.principal.tenant, "--json")

    [verdict] = json.loads(verified.stdout)
    with database.snapshot(stack_engine) as connection:
        [last] = audit_reading.newest(connection, client.tenant.principal.tenant_id, 1)
    assert (verified.exit_code, verdict["fault"], verdict["erased"]) == (0, None, 1)
    assert (last.action, last.target) == ("person erased", ada["id"])
    assert last.details["operations"] > 5


def test_what_others_have_stays(client: Client, operator: Operator, stack_engine: Engine) -> None:
    ada = client.create_user(displayName=f"Ada {MARK}")
    bob = client.create_user(displayName="Bob", name={"familyName": "Stays"})
    group = client.create_group(members=[{"value": ada["id"]}, {"value": bob["id"]}])
    before = client.get(f"/Users/{bob['id']}").json()

    result = operator.erase(client, ada["id"])

    members = client.get(f"/Groups/{group['id']}").json()["members"]
    with database.transaction(stack_engine) as connection:
        query = text("SELECT changes FROM history WHERE resource_id = :id ORDER BY at LIMIT 1")
        changes = connection.scalar(query, {"id": group["id"]})
    joined = next(change["added"] for change in changes if change["attribute"] == "members")
    assert result.exit_code == 0, result.output
    assert client.get(f"/Users/{bob['id']}").json() == before
    assert [member["value"] for member in members] == [bob["id"]]
    assert {each["value"]: each["display"] for each in joined} == {ada["id"]: "erased", bob["id"]: "Bob"}


def test_somebody_who_was_deleted_is_erased_and_the_name_is_free(
    client: Client, operator: Operator, stack_engine: Engine
) -> None:
    ada = client.create_user(**ADA)
    client.delete(f"/Users/{ada['id']}")
    another = client.create_user(userName=ADA["userName"], title="Clerk")

    several = operator.erase(client, str(ADA["userName"]))
    first = operator.erase(client, ada["id"])
    again = operator.erase(client, ada["id"])

    assert several.exit_code == 1
    assert "2 people were" in several.output
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert client.get(f"/Users/{another['id']}").json() == another
    assert where(stack_engine, f"E-{MARK}") == {}
    operator.erase(client, another["id"])


@pytest.mark.parametrize("who", ["nobody@example.com", "01a20a49-a7b3-7142-9afb-9c2853eadbfb"])
def test_nobody_is_erased_who_never_was(client: Client, operator: Operator, who: str) -> None:
    result = operator.erase(client, who)

    assert result.exit_code == 1
    assert "had nobody who is" in result.output


def test_another_tenants_person_is_not_there(client: Client, stranger: Client, operator: Operator) -> None:
    theirs = stranger.create_user()

    result = operator.erase(client, theirs["id"])

    assert result.exit_code == 1
    assert stranger.get(f"/Users/{theirs['id']}").json() == theirs


def test_an_erasure_wants_to_be_confirmed(client: Client, operator: Operator) -> None:
    ada = client.create_user()

    result = operator.run("tenant", "erase-person", client.tenant.principal.tenant, ada["id"])

    assert result.exit_code == 1
    assert "say --yes" in result.output
    assert client.get(f"/Users/{ada['id']}").status_code == 200


def exported(operator: Operator, client: Client, tmp_path: Path) -> Iterator[dict[str, Any]]:
    file = tmp_path / "export.jsonl"
    result = operator.run("tenant", "export", client.tenant.principal.tenant, "--output", str(file))
    assert result.exit_code == 0, result.output
    yield from (json.loads(line) for line in file.read_text().splitlines())


def test_an_export_has_everything_of_a_tenant_and_nothing_of_another(
    client: Client, stranger: Client, operator: Operator, stack_engine: Engine, tmp_path: Path
) -> None:
    ada = live(client, operator, tmp_path)
    theirs = stranger.create_user()
    sealing.seal(stack_engine)

    rows = list(exported(operator, client, tmp_path))

    text_ = json.dumps(rows)
    by_table: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_table.setdefault(row["table"], []).append(row)
    expected = {
        "tenant",
        "extension",
        "token",
        "employee",
        "role",
        "membership",
        "history",
        "lane",
        "operation",
        "audit",
    }
    assert by_table.keys() >= expected
    [employee_row] = [row for row in by_table["employee"] if row["id"] == ada["id"]]
    assert employee_row["user_name"] == ADA["userName"]
    assert theirs["userName"] not in text_
    operator.erase(client, ada["id"])


def test_an_export_has_no_secrets(client: Client, operator: Operator, tmp_path: Path) -> None:
    ada = client.create_user(**ADA)
    client.patch(f"/Users/{ada['id']}", json=patch(replace("password", "staple hinge lamp")))

    rows = list(exported(operator, client, tmp_path))

    assert "$argon2id$" not in json.dumps(rows)
    assert [row for row in rows if "sha256" in row or "password" in row] == []
    assert operator.run("audit", "verify").exit_code == 0
    operator.erase(client, ada["id"])


def test_an_export_is_a_row_of_the_audit(
    client: Client, operator: Operator, stack_engine: Engine, tmp_path: Path
) -> None:
    list(exported(operator, client, tmp_path))

    with database.snapshot(stack_engine) as connection:
        actions = [row.action for row in audit_reading.every(connection, client.tenant.principal.tenant_id)]
        installation = audit_reading.verify(connection, INSTALLATION)
    assert actions == ["tenant exported"]
    assert installation.fault is None
