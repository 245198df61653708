"""Passwords, tokens and what a tenant calls sensitive, sent in every way that goes right or wrong, and looked for."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from services.cli import main
from services.directory import database, every_table, extensions, token_secrets
from shared.scim import extension_files
from shared.scim.schemas import enterprise, user
from shared.settings import Settings
from tests import why
from tests.browsing import signed_in
from tests.factories import Client, bulk, bulk_post, patch, person, replace

PASSWORD, IBAN = "Zyxwvu-pass-9481", "AT611904300234573201"
URN = "urn:example:payroll:everywhere"
DECLARED = {
    "resourceType": "User",
    "id": URN,
    "name": "Payroll",
    "description": "x",
    "attributes": [{"name": "iban", "description": "x", "sensitive": True}],
}
HOLDING = {"employee", "operation"}
"""The tables whose business it is to have what is sensitive: what it is the attribute of, and what was asked for it."""

MOST_PAGES = 60


@pytest.fixture
def somebody(client: Client, stack_engine: Engine) -> dict[str, Any]:
    """Somebody with a password and an IBAN, in a tenant that calls the latter sensitive."""
    with database.transaction(stack_engine) as connection:
        extensions.declare(connection, client.tenant.principal.tenant_id, extension_files.read(DECLARED))
    return client.create_user(schemas=[user.URN, URN], password=PASSWORD, **{URN: {"iban": IBAN}})


def misplaced(user_id: str) -> Iterator[tuple[str, str, Any]]:
    """Yield requests that have a secret where it belongs, in right and wrong forms.

    What stands in the place of a name, or is the value of another attribute, is told as that: nobody can know.
    """
    me, secrets = f"/Users/{user_id}", {"password": PASSWORD, URN: {"iban": IBAN}}
    yield "PATCH", me, patch(replace("password", PASSWORD + "2"), replace(f"{URN}:iban", IBAN + "2"))
    yield "PATCH", me, patch({"op": "replace", "value": secrets | {f"{URN}:iban": IBAN, "active": "perhaps"}})
    yield "PATCH", me, patch(replace('emails[value eq "x"].shoe', "x"), replace("password", [PASSWORD]))
    yield "PATCH", me, patch(replace(f'password[value eq "{PASSWORD}"]', "x"))
    yield "PATCH", me, patch(replace(f'{URN}:iban[value eq "{IBAN}"]', "x"))
    yield "PATCH", me, patch({"op": "remove", "path": "password", "value": {"value": PASSWORD}})
    yield "PUT", me, person(password={"value": PASSWORD}, **{URN: {"iban": {"value": IBAN}}})
    yield "POST", "/Users", person(active="perhaps", PassWord=PASSWORD, **{URN: {"IBAN": IBAN}})
    yield "POST", "/Users", person(passwort=PASSWORD, active="perhaps", **{enterprise.URN: {"iban": IBAN}})
    yield "POST", "/Users", person(userName=None, **secrets)
    yield "POST", "/Bulk", bulk(bulk_post("a", "/Users", person(active="x", **secrets)), bulk_post("a", "/X", secrets))
    yield "POST", "/Bulk", bulk({"method": "PUT", "path": me, "data": person(schemas=["urn:x"], **secrets)})
    for query in (
        f'password eq "{PASSWORD}"',
        f'{URN}:iban eq "{IBAN}" and x',
    ):
        yield "GET", f"/Users?filter={query}", None
    yield "GET", f"/Users?attributes=password&sortBy=password&cursor={PASSWORD}", None
    yield "GET", f"/Users/{PASSWORD}", None
    yield "POST", "/Users/.search", {"filter": f'password sw "{PASSWORD}"'}


def test_secrets_are_found_nowhere(
    client: Client,
    somebody: dict[str, Any],
    stack: Settings,
    stack_engine: Engine,
    lines: list[tuple[str, str]],
    tmp_path: Path,
) -> None:
    tenant, stray = client.tenant.principal.tenant, token_secrets.generate()
    answers = [client.request(method, path, json=body) for method, path, body in misplaced(somebody["id"])]
    client.get("/Users", headers={"Authorization": f"Bearer {stray}"})
    client.post("/Users", content=f'{{"password": "{PASSWORD}", "{URN}": {{"iban": "{IBAN}"'.encode())
    client.delete(f"/Users/{somebody['id']}", headers={"X-Request-ID": "after-all-secrets"})
    why.until(stack_engine, client.tenant, somebody["id"], lambda found: len(found.events) > 5)

    # A success shows whoever sends what is sensitive the resource that they wrote.
    refused = [each.text for each in answers if each.is_error]
    told = "\n".join(refused) + _commands(stack, stack_engine, tenant, somebody["id"], tmp_path)
    with signed_in(stack, stack_engine, client.tenant) as admin:
        pages = "\n".join(admin.get(page).text for page in _pages(admin, somebody["id"]))
    written = "\n".join(line for _, line in lines)

    assert len(refused) > 10
    assert ("after-all-secrets" in written, somebody["id"] in told, somebody["id"] in pages) == (True, True, True)
    for secret in (PASSWORD, "$argon2id$", client.tenant.secret, stray):
        assert secret not in told, _around(told, secret)
        assert secret not in pages, _around(pages, secret)
        assert secret not in written, _around(written, secret)
    for place in (told, pages, written):
        assert IBAN not in place, _around(place, IBAN)
    assert _tables(stack_engine, PASSWORD) | _tables(stack_engine, stray) == set()
    assert _tables(stack_engine, IBAN) <= HOLDING


def test_an_export_has_what_is_sensitive_and_no_password(
    client: Client, somebody: dict[str, Any], stack: Settings, tmp_path: Path
) -> None:
    """A tenant that leaves takes its data along; a hash of a password is nobody's data."""
    file = tmp_path / "export.jsonl"

    _run(stack, "tenant", "export", client.tenant.principal.tenant, "--output", str(file))

    text_ = file.read_text()
    assert somebody["id"] in text_
    assert IBAN in text_
    assert not [secret for secret in (PASSWORD, "$argon2id$", client.tenant.secret) if secret in text_]


def _commands(stack: Settings, engine: Engine, tenant: str, user_id: str, folder: Path) -> str:
    """Return what every command says that shows something of a tenant."""
    with database.transaction(engine) as connection:
        rows = connection.execute(text("SELECT id FROM operation WHERE lane = :lane"), {"lane": user_id})
        operations = [str(row.id) for row in rows]
    assert len(operations) >= 3
    shown = [_run(stack, "operations", "show", each, *how) for each in operations for how in ((), ("--values",))]
    audit = folder / "audit.jsonl"
    _run(stack, "audit", "export", "--tenant", tenant, "--output", str(audit))
    asked = (
        ("why", user_id, "--tenant", tenant),
        ("why", user_id, "--tenant", tenant, "--json"),
        ("operations", "list"),
        ("token", "list"),
        ("client", "list"),
        ("connections", tenant),
        ("cycles", tenant),
        ("tenant", "tolerances", tenant),
        ("audit", "list"),
    )
    return "\n".join([*shown, audit.read_text(), *(_run(stack, *each) for each in asked)])


def _run(stack: Settings, *arguments: str) -> str:
    environ = {"MUSTER_DATABASE_URL": stack.database_url, "MUSTER_BROKER_URL": stack.broker_url}
    result = CliRunner().invoke(main, arguments, env=environ)
    assert result.exit_code == 0, (arguments, result.output)
    return result.output


def _pages(admin: Any, user_id: str) -> list[str]:
    """Return the addresses of the pages about somebody, and those that they lead to."""
    begin = ["/employees", f"/provisioning/why?q={user_id}", "/provisioning/cycles", f"/employees/{user_id}/history"]
    linked = [link for page in begin for link in admin.links(page) if link.startswith("/")]
    kept = [link for link in dict.fromkeys([*begin, *linked]) if not re.search(r"sign-out|\.(css|js|png|svg)", link)]
    return kept[:MOST_PAGES]


def _tables(engine: Engine, needle: str) -> set[str]:
    """Return the tables that have a text in them."""
    with database.transaction(engine) as connection:
        query = "SELECT EXISTS (SELECT FROM {} t WHERE strpos(t::text, :needle) > 0)"
        return {
            table.name
            for table in every_table.EVERY
            if connection.scalar(text(query.format(table.name)), {"needle": needle})
        }


def _around(place: str, secret: str) -> str:
    at = place.find(secret)
    return json.dumps(place[max(0, at - 300) : at + 100])
