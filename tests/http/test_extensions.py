"""The life of a tenant's own extension, from the file to the answers, over HTTP and through the command."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from services.cli import main
from services.directory import database, history
from shared.scim.resource_types import USERS
from shared.scim.schemas import enterprise, group, user
from shared.settings import Settings
from tests.factories import Client, bulk, bulk_post, patch, person, replace, role
from tests.http.conftest import Journal
from tests.unit.scim.badge import FILE, URN

SIMPLE = """
resourceType = "{type}"
id = "{urn}"
name = "Simple"
[[attributes]]
name = "{name}"
"""
BADGE: dict[str, Any] = {
    "number": 7,
    "serial": "aB-9",
    "isVisitor": False,
    "credit": 12.5,
    "validUntil": "2027-01-01T00:00:00Z",
    "zones": ["Lobby", "Lab"],
    "desk": {"building": "Main", "floor": 2},
    "keys": [{"value": "K1", "type": "door", "primary": True}],
}


class Operator:
    """Whoever runs the commands."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._environ = {"MUSTER_DATABASE_URL": settings.database_url, "MUSTER_BROKER_URL": settings.broker_url}
        self._folder = folder

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["extension", *arguments], env=self._environ)

    def declare(self, client: Client, file: Path = FILE) -> None:
        result = self.run("add", client.tenant.principal.tenant, str(file))
        assert result.exit_code == 0, result.output

    def declare_simple(self, client: Client, name: str, type_: str = "User", urn: str = "urn:example:simple") -> None:
        file = self._folder / "simple.toml"
        file.write_text(SIMPLE.format(type=type_, urn=urn, name=name))
        self.declare(client, file)


@pytest.fixture
def operator(stack: Settings, tmp_path: Path) -> Operator:
    return Operator(stack, tmp_path)


@pytest.fixture
def badged(client: Client, operator: Operator) -> Client:
    """A client whose tenant declared the extension of docs/examples before it sent anything."""
    operator.declare(client)
    return client


def await_schemas(client: Client, *urns: str) -> None:
    """Ask until the gateway knows the extensions that are in force: within the seconds that a token is trusted."""
    for _ in range(10_000):
        known = {schema["id"] for schema in client.get("/Schemas").json()["Resources"]}
        if known - {user.URN, group.URN, enterprise.URN} == set(urns):
            return
    pytest.fail("the gateway did not learn of a declaration")


def found(client: Client, condition: str, endpoint: str = "/Users") -> int:
    response = client.get(endpoint, params={"filter": condition})
    assert response.status_code == 200, response.text
    total: int = response.json()["totalResults"]
    return total


def test_a_declared_extension_is_described_like_the_built_in_ones(badged: Client) -> None:
    schemas = {schema["id"]: schema for schema in badged.get("/Schemas").json()["Resources"]}
    one = badged.get(f"/Schemas/{URN}")
    types = {each["id"]: each for each in badged.get("/ResourceTypes").json()["Resources"]}

    assert one.json() == schemas[URN]
    assert one.json()["meta"]["location"].endswith(f"/Schemas/{URN}")
    characteristics = {attribute["name"]: attribute for attribute in one.json()["attributes"]}
    assert characteristics["serial"]["mutability"] == "immutable"
    assert characteristics["number"] == {
        "name": "number",
        "type": "integer",
        "multiValued": False,
        "description": "The number that is printed on the badge.",
        "required": True,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
    }
    assert {"schema": URN, "required": False} in types["User"]["schemaExtensions"]
    assert "schemaExtensions" not in types["Group"]


def test_a_created_user_has_what_its_extension_says(badged: Client) -> None:
    created = badged.create_user(**{URN: BADGE | {"pin": "1234", "lastSeen": "2026-01-01T00:00:00Z", "size": "XL"}})

    assert created[URN] == BADGE
    assert created["schemas"] == [user.URN, URN]
    assert badged.get(f"/Users/{created['id']}").json() == created
    assert badged.get("/Users", params={"filter": f"{URN}:number eq 7"}).json()["Resources"] == [created]


@pytest.mark.parametrize(
    "operation",
    [
        replace(f"{URN}:number", 8),
        replace(f"{URN.upper()}:NUMBER", 8),
        replace("number", 8),
        replace(URN, {"number": 8}),
        {"op": "replace", "value": {URN: {"number": 8}}},
        {"op": "add", "value": {f"{URN}:number": 8}},
    ],
)
def test_every_spelling_of_a_patch_changes_the_one_attribute(badged: Client, operation: dict[str, Any]) -> None:
    created = badged.create_user(**{URN: BADGE})

    changed = badged.patch(f"/Users/{created['id']}", json=patch(operation))

    assert changed.status_code == 200
    assert changed.json()[URN] == BADGE | {"number": 8}


def test_patches_reach_objects_and_elements(badged: Client) -> None:
    created = badged.create_user(**{URN: BADGE})
    operations = [
        replace(f"{URN}:desk.floor", 3),
        {"op": "add", "path": f"{URN}:zones", "value": ["LAB", "Roof"]},
        {"op": "add", "path": f"{URN}:keys", "value": [{"value": "K2", "type": "locker", "primary": True}]},
        replace(f'{URN}:keys[type eq "door"].since', "2026-01-01T00:00:00Z"),
        {"op": "remove", "path": f"{URN}:credit"},
    ]

    changed = badged.patch(f"/Users/{created['id']}", json=patch(*operations)).json()[URN]

    assert changed["desk"] == {"building": "Main", "floor": 3}
    assert changed["zones"] == ["Lobby", "Lab", "Roof"]
    assert changed["keys"] == [
        {"value": "K1", "type": "door", "primary": False, "since": "2026-01-01T00:00:00Z"},
        {"value": "K2", "type": "locker", "primary": True},
    ]
    assert "credit" not in changed


def test_a_patch_gives_the_extension_to_who_has_none(badged: Client) -> None:
    created = badged.create_user()

    changed = badged.patch(f"/Users/{created['id']}", json=patch(replace(f"{URN}:number", 1))).json()
    without = badged.patch(f"/Users/{created['id']}", json=patch({"op": "remove", "path": URN})).json()

    assert (changed["schemas"], changed[URN]) == ([user.URN, URN], {"number": 1})
    assert (without["schemas"], URN in without) == ([user.URN], False)


def test_a_patch_that_changes_nothing_keeps_the_version(badged: Client) -> None:
    created = badged.create_user(**{URN: BADGE})

    same = badged.patch(f"/Users/{created['id']}", json=patch(replace(URN, BADGE))).json()

    assert same == created


def test_put_replaces_the_extension_and_keeps_what_is_immutable(badged: Client) -> None:
    created = badged.create_user(**{URN: BADGE})
    url, body = f"/Users/{created['id']}", person(userName=created["userName"], **{URN: {"number": 9}})

    replaced = badged.put(url, json=body)
    refused = badged.put(url, json=body | {URN: {"number": 9, "serial": "other"}})

    assert replaced.json()[URN] == {"number": 9, "serial": "aB-9"}
    assert (refused.status_code, refused.json()["scimType"]) == (400, "mutability")
    assert badged.get(url).json() == replaced.json()


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        (replace(f"{URN}:serial", "other"), "mutability"),
        ({"op": "remove", "path": f"{URN}:serial"}, "mutability"),
        ({"op": "remove", "path": f"{URN}:number"}, "mutability"),
        (replace(f"{URN}:lastSeen", "2026-01-01T00:00:00Z"), "mutability"),
        (replace(f"{URN}:number", "seven"), "invalidValue"),
        (replace(f"{URN}:isVisitor", "perhaps"), "invalidValue"),
        (replace(f"{URN}:validUntil", "tomorrow"), "invalidValue"),
        (replace(f"{URN}:desk", {"building": None}), "invalidValue"),
        (replace(f"{URN}:size", "XL"), "invalidPath"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_its_name(badged: Client, operation: dict[str, Any], scim_type: str) -> None:
    created = badged.create_user(**{URN: BADGE})

    refused = badged.patch(f"/Users/{created['id']}", json=patch(operation))

    assert (refused.status_code, refused.json()["scimType"]) == (400, scim_type)
    assert badged.get(f"/Users/{created['id']}").json() == created


def test_a_create_without_what_is_required_is_refused(badged: Client) -> None:
    response = badged.post("/Users", json=person(**{URN: {"serial": "S"}}))

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidValue")
    assert "number is required" in response.json()["detail"]


def test_filters_find_by_every_type(badged: Client) -> None:
    badged.create_user(**{URN: BADGE})
    badged.create_user(**{URN: {"number": 70, "isVisitor": True}})
    badged.create_user()

    assert found(badged, f"{URN}:number gt 7") == 1
    assert found(badged, f"{URN}:isVisitor eq true") == 1
    assert found(badged, f'{URN}:validUntil lt "2027-01-01T02:00:00+01:00"') == 1
    assert found(badged, f'{URN}:keys[type eq "DOOR" and value eq "K1"]') == 1
    assert found(badged, f'{URN}:zones eq "lab" and {URN}:desk.floor le 2') == 1
    assert found(badged, f'schemas eq "{URN}"') == 2
    assert found(badged, f"not ({URN}:number pr)") == 1
    assert found(badged, f"{URN}:number gt 0 or displayName pr", "/") == 2
    assert badged.get("/", params={"sortBy": f"{URN}:number"}).status_code == 200


@pytest.mark.parametrize(
    "condition", [f'{URN}:number eq "7"', f"{URN}:isVisitor gt true", f"{URN}:pin eq 1", "size pr"]
)
def test_a_filter_that_cannot_be_is_refused(badged: Client, condition: str) -> None:
    response = badged.get("/Users", params={"filter": condition})

    assert (response.status_code, response.json()["scimType"]) == (400, "invalidFilter")


def test_users_are_sorted_by_an_extension(badged: Client) -> None:
    for number in (10, 9, 11):
        badged.create_user(**{URN: {"number": number}})

    listed = badged.get("/Users", params={"sortBy": f"{URN}:number", "sortOrder": "descending"}).json()["Resources"]

    assert [each[URN]["number"] for each in listed] == [11, 10, 9]


def test_answers_show_what_is_asked_for(badged: Client) -> None:
    created = badged.create_user(**{URN: BADGE | {"photo": "https://example.com/p"}})
    url = f"/Users/{created['id']}"

    asked = badged.get(url, params={"attributes": f"{URN}:photo,{URN}:desk.floor"}).json()
    spared = badged.get(url, params={"excludedAttributes": f"{URN}:zones,{URN}:desk"}).json()
    whole = badged.get(url, params={"attributes": URN}).json()

    assert "photo" not in created[URN]
    assert asked[URN] == {"photo": "https://example.com/p", "desk": {"floor": 2}}
    assert spared[URN].keys() == BADGE.keys() - {"zones", "desk"}
    assert (whole[URN].keys(), "userName" in whole) == (BADGE.keys() | {"photo"}, False)


def test_the_history_tells_of_extensions_but_not_what_is_never_returned(
    badged: Client, stack_engine: Engine, stack_operations: Journal
) -> None:
    created = badged.create_user(**{URN: {"number": 1}})
    badged.patch(f"/Users/{created['id']}", json=patch(replace(f"{URN}:number", 2)))
    secret = badged.patch(f"/Users/{created['id']}", json=patch(replace(f"{URN}:pin", "quixotic"))).json()

    with database.transaction(stack_engine) as connection:
        tenant_id = badged.tenant.principal.tenant_id
        entries = history.of(connection, tenant_id, UUID(created["id"]), 10)

    assert entries[1].changes == [{"attribute": f"{URN}:number", "from": 1, "to": 2}]
    assert entries[0].changes == [{"attribute": f"{URN}:pin", "from": None, "to": None}]
    assert history.in_words(entries[0].changes[0], USERS) == "pin: changed"
    assert secret["meta"]["version"] == 'W/"3"'
    assert "quixotic" not in stack_operations.outcomes()


def test_groups_have_extensions_too(client: Client, operator: Operator) -> None:
    operator.declare_simple(client, "colour", "Group")

    created = client.create_group(**{"urn:example:simple": {"colour": "Red"}})

    assert created["urn:example:simple"] == {"colour": "Red"}
    assert found(client, 'urn:example:simple:colour eq "RED"', "/Groups") == 1
    assert client.get("/Groups", params={"filter": "colour pr"}).json()["totalResults"] == 1
    assert client.get("/Users", params={"filter": "colour pr"}).status_code == 400
    assert client.post("/Groups", json=role(**{"urn:example:simple": "Red"})).status_code == 400


def test_another_tenant_knows_nothing_of_it(badged: Client, stranger: Client) -> None:
    created = stranger.create_user(**{URN: BADGE})

    assert URN not in created
    assert stranger.get(f"/Schemas/{URN}").status_code == 404
    assert stranger.get("/Users", params={"filter": f"{URN}:number eq 7"}).status_code == 400
    assert stranger.patch(f"/Users/{created['id']}", json=patch(replace(f"{URN}:number", 1))).status_code == 400


def test_values_of_a_forgotten_extension_come_back_with_it(client: Client, operator: Operator) -> None:
    operator.declare_simple(client, "colour")
    created = client.create_user(**{"urn:example:simple": {"colour": "Red"}})
    url = f"/Users/{created['id']}"

    assert operator.run("remove", client.tenant.principal.tenant, "urn:example:simple").exit_code == 0
    await_schemas(client)
    changed = client.patch(url, json=patch(replace("title", "x"))).json()
    replaced = client.put(url, json=person(userName=created["userName"])).json()
    operator.declare_simple(client, "colour")
    await_schemas(client, "urn:example:simple")

    assert "urn:example:simple" not in changed
    assert "urn:example:simple" not in replaced
    assert client.get(url).json()["urn:example:simple"] == {"colour": "Red"}


def test_a_changed_declaration_is_known_within_seconds(client: Client, operator: Operator) -> None:
    operator.declare_simple(client, "colour")
    client.create_user(**{"urn:example:simple": {"colour": "Red"}})
    operator.declare_simple(client, "size", urn="urn:example:other")
    await_schemas(client, "urn:example:simple", "urn:example:other")

    created = client.create_user(**{"urn:example:simple": {"colour": "Red"}, "urn:example:other": {"size": "XL"}})

    assert created["urn:example:other"] == {"size": "XL"}


def test_the_commands_tell_what_is_declared(client: Client, operator: Operator, tmp_path: Path) -> None:
    tenant = client.tenant.principal.tenant
    operator.declare(client)

    shown = operator.run("show", tenant, URN.upper())
    copy = tmp_path / "copy.json"
    copy.write_text(shown.stdout)

    assert URN in operator.run("list", tenant).stdout
    assert operator.run("check", str(copy)).exit_code == 0
    assert operator.run("add", tenant, str(copy)).exit_code == 0
    assert operator.run("remove", tenant, URN).exit_code == 0
    assert "none" in operator.run("list", tenant).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "{folder}/bad.toml"), "bad.toml: attribute 1 ('a'): 'type' must be one of: string"),
        (("check", "-"), "standard input: the file: 'resourceType', 'id', 'name', 'attributes' are missing"),
        (("add", "{tenant}", "{folder}/bad.toml"), "attribute 1 ('a')"),
        (("add", "nobody", str(FILE)), "There is no tenant 'nobody'"),
        (("add", "{tenant}", "{folder}/changed.toml"), "attribute 'number': 'type' was integer before"),
        (("show", "{tenant}", "urn:example:none"), "muster extension list"),
        (("remove", "{tenant}", "urn:example:none"), "muster extension list"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(
    badged: Client, operator: Operator, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    bad = SIMPLE.format(type="User", urn="urn:example:bad", name="a") + 'type = "text"\n'
    (tmp_path / "bad.toml").write_text(bad)
    (tmp_path / "changed.toml").write_text(SIMPLE.format(type="User", urn=URN, name="number"))
    places = {"folder": str(tmp_path), "tenant": badged.tenant.principal.tenant}

    result = operator.run(*(argument.format(**places) for argument in arguments))

    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_bulk_request_knows_the_extension(badged: Client) -> None:
    body = person(**{URN: BADGE, "schemas": [user.URN, URN]})
    change = {"method": "PATCH", "path": "/Users/bulkId:a", "data": patch(replace(f"{URN}:number", 8))}

    results = badged.post("/Bulk", json=bulk(bulk_post("a", "/Users", body), change)).json()["Operations"]

    assert [result["status"] for result in results] == ["201", "200"]
    assert badged.get(results[0]["location"]).json()[URN] == BADGE | {"number": 8}


def test_what_is_sensitive_is_in_no_history(
    client: Client, operator: Operator, stack_engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "payroll.toml"
    file.write_text(SIMPLE.format(type="User", urn="urn:example:payroll", name="iban") + "sensitive = true\n")
    operator.declare(client, file)

    created = client.create_user(**{"urn:example:payroll": {"iban": "AT61 1904"}})
    client.patch(f"/Users/{created['id']}", json=patch(replace("urn:example:payroll:iban", "AT61 2000")))

    with database.transaction(stack_engine) as connection:
        entries = history.of(connection, client.tenant.principal.tenant_id, UUID(created["id"]), 10)
    changes = [change for entry in entries for change in entry.changes if change["attribute"].endswith("iban")]
    assert created["urn:example:payroll"]["iban"] == "AT61 1904"
    assert changes == [{"attribute": "urn:example:payroll:iban", "from": None, "to": None}] * 2
