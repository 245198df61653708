"""What admins see and do in the portal: employees, histories, exports, roles, connections."""

import csv
import io
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import audit_reading, clients, database, extensions
from services.directory.audit_chain import Action
from services.directory.portal.setup_steps import FLAG
from services.directory.tokens import Terms
from shared.scim import extension_files
from shared.scim.schemas import enterprise, user
from shared.settings import Settings
from tests.browsing import Browser, signed_in
from tests.factories import Client, employee, patch, person, replace

CONNECTIONS = "/provisioning/connections"


@pytest.fixture
def admin(stack: Settings, stack_engine: Engine, client: Client) -> Iterator[Browser]:
    """The browser of an admin of the client's tenant."""
    with signed_in(stack, stack_engine, client.tenant) as browser:
        yield browser


def test_the_list_shows_what_the_directory_has(admin: Browser, client: Client) -> None:
    boss = client.create_user(displayName="Grace Hopper")
    client.post(
        "/Users",
        json=employee(
            displayName="Ada Lovelace",
            title="Analyst",
            **{enterprise.URN: {"department": "Engines", "manager": {"value": boss["id"]}}},
        ),
    )
    client.create_user(displayName="Charles Babbage", active=False)

    page = admin.get("/employees").text

    assert "3 employees" in page
    row = page.partition("Ada Lovelace")[2].partition("</tr>")[0]
    assert all(cell in row for cell in ("HQ", "Engines", "Analyst", "Grace Hopper", "Active", "test"))
    assert "Inactive" in page.partition("Charles Babbage")[2].partition("</tr>")[0]


def test_typing_filters_and_the_address_does_too(admin: Browser, client: Client) -> None:
    client.create_user(displayName="Ada Lovelace")
    client.create_user(displayName="Grace Hopper")

    part = admin.get("/employees", params={"q": "lovel"}, headers={"HX-Request": "true", "HX-Target": "found"})
    whole = admin.get("/employees", params={"q": "lovel"})

    assert part.text.lstrip().startswith('<div id="found">')
    assert "<html" in whole.text
    for page in (part, whole):
        assert ("Ada Lovelace" in page.text, "Grace Hopper" in page.text) == (True, False)
    assert "Nobody is found" in admin.get("/employees", params={"q": "zuse"}).text


def test_an_empty_tenant_is_told_what_to_do(admin: Browser) -> None:
    assert "Connect an identity provider" in admin.get("/employees").text
    assert "No roles yet" in admin.get("/settings/general/roles").text


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"q": "x" * 10_000}, 400),
        ({"q": "a\0b"}, 400),
        ({"q": "'; DROP TABLE employee; --"}, 200),
        ({"status": "gone"}, 400),
        ({"after": "nonsense"}, 400),
        ({"after": "WzEsMl0"}, 400),
        ({"before": "bnVsbA"}, 400),
        ({"q": "x" * 20_000}, 414),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_page(admin: Browser, query: dict[str, str], status: int) -> None:
    response = admin.get("/employees", params=query)

    assert response.status_code == status
    assert "<h1>" in response.text


def test_a_place_that_the_database_cannot_take_is_refused_with_a_page(admin: Browser, client: Client) -> None:
    user = client.create_user()
    history = f"/employees/{user['id']}/history"

    def place(*parts: object) -> str:
        return urlsafe_b64encode(json.dumps(parts).encode()).decode()

    answers = [
        admin.get("/employees", params={"after": place("a\0b", user["id"])}),
        admin.get(history, params={"after": place("2026-01-02T03:04:05+00:00", 2**63)}),
    ]

    assert [each.status_code for each in answers] == [400, 400]
    assert admin.get(history, params={"after": place("2026-01-02T03:04:05+00:00", 2**63 - 1)}).status_code == 200


def test_a_page_leads_to_the_next_and_back(admin: Browser, client: Client) -> None:
    for number in range(60):
        client.create_user(displayName=f"Person {number:02}")

    first = admin.get("/employees")
    later = _rel("next", first)
    second = admin.get(later)
    earlier = admin.get(_rel("prev", second))

    assert ("Person 49" in first.text, "Person 50" in first.text) == (True, False)
    assert ("Person 49" in second.text, "Person 59" in second.text) == (False, True)
    assert _names(earlier) == _names(first)


def test_the_export_has_everybody_and_no_formulas(admin: Browser, client: Client) -> None:
    client.create_user(displayName="=HYPERLINK(1)", userName="ada@example.com", title='Says "hi", twice')
    client.create_user(displayName="Grace", userName="grace@example.com")

    response = admin.get("/employees.csv")
    filtered = admin.get("/employees.csv", params={"q": "grace"})

    rows = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert response.headers["Content-Disposition"] == 'attachment; filename="employees.csv"'
    assert [(row["Name"], row["User name"], row["Title"], row["Source"]) for row in rows] == [
        ("'=HYPERLINK(1)", "ada@example.com", 'Says "hi", twice', "test"),
        ("Grace", "grace@example.com", "", "test"),
    ]
    assert len(filtered.text.splitlines()) == 2


def test_the_history_tells_each_change_and_leads_to_its_operation(admin: Browser, client: Client) -> None:
    made = client.post("/Users", json=employee(displayName="Ada", title="Clerk", password="n0b0dy-kn0ws-this"))
    path = f"/employees/{made.json()['id']}/history"
    changed = client.patch(
        f"/Users/{made.json()['id']}", json=patch(replace("title", "Analyst")), headers={"X-Request-ID": "trace-7"}
    )

    page = admin.get(path).text
    operation = admin.get(re.findall(r"/operations/[0-9a-f-]+", page)[0]).text

    assert changed.status_code == 200
    assert all(word in page for word in ("Title changed", "Clerk", "Analyst", "trace-7", "test", "Created"))
    assert all(word in operation for word in ("PATCH", "replace", "title", "Analyst", "trace-7", "settled"))
    for shown in (page, operation, *(admin.get(link).text for link in re.findall(r"/operations/[0-9a-f-]+", page))):
        assert "n0b0dy-kn0ws-this" not in shown


def test_the_history_is_filtered_by_field(admin: Browser, client: Client) -> None:
    made = client.create_user(displayName="Ada")
    for attribute in ("title", "nickName"):
        client.patch(f"/Users/{made['id']}", json=patch(replace(attribute, "New")))
    path = f"/employees/{made['id']}/history"

    only = admin.get(path, params={"field": "title"}).text
    by_token = admin.get(path, params={"source": str(client.tenant.principal.token_id)}).text
    nonsense = admin.get(path, params={"field": "nothing"})

    assert ("Title changed" in only, "Nick name changed" in only) == (True, False)
    assert "Nick name changed" in by_token
    assert nonsense.status_code == 400


def test_a_long_history_has_pages(admin: Browser, client: Client) -> None:
    made = client.create_user(displayName="Ada")
    for number in range(30):
        client.patch(f"/Users/{made['id']}", json=patch(replace("title", f"Title {number:02}")))

    first = admin.get(f"/employees/{made['id']}/history")
    second = admin.get(_rel("next", first))

    assert ("Title 28" in first.text, "Created" in first.text) == (True, False)
    assert ("Title 28" in second.text, "Created" in second.text) == (False, True)


def test_roles_have_pages(admin: Browser, client: Client) -> None:
    for number in range(55):
        client.create_group(displayName=f"Role {number:02}")

    first = admin.get("/settings/general/roles")
    second = admin.get(_rel("next", first))

    assert ("Role 49" in first.text, "Role 50" in first.text) == (True, False)
    assert ("Role 49" in second.text, "Role 54" in second.text) == (False, True)


def test_what_admins_do_is_in_the_audit(admin: Browser, client: Client, stack_engine: Engine) -> None:
    path = f"{CONNECTIONS}/{client.tenant.principal.token_id}"
    admin.submit(path, f"{path}/revoke")

    with database.transaction(stack_engine) as connection:
        rows = audit_reading.newest(connection, client.tenant.principal.tenant_id, 10)
        verdict = audit_reading.verify(connection, client.tenant.principal.tenant_id)

    revoked = next(row for row in rows if row.action == Action.TOKEN_REVOKED)
    assert Action.ADMIN_SIGNED_IN in {row.action for row in rows}
    assert (revoked.target, revoked.details["admin"]) == (str(client.tenant.principal.token_id), admin.email)
    assert admin.email not in revoked.actor
    assert verdict.fault is None


def test_what_is_sensitive_is_on_no_page(admin: Browser, client: Client, stack_engine: Engine) -> None:
    urn, value = "urn:example:payroll", "AT611904300234573201"
    declared = {
        "resourceType": "User",
        "id": urn,
        "name": "Payroll",
        "description": "x",
        "attributes": [{"name": "iban", "description": "x", "sensitive": True}],
    }
    with database.transaction(stack_engine) as connection:
        extensions.declare(connection, client.tenant.principal.tenant_id, extension_files.read(declared))
    made = client.post("/Users", json=person(schemas=[user.URN, urn], displayName="Ada", **{urn: {"iban": value}}))
    client.patch(f"/Users/{made.json()['id']}", json=patch(replace(f"{urn}:iban", value + "2")))
    path = f"/employees/{made.json()['id']}"

    assert made.status_code == 201
    history = admin.get(f"{path}/history").text
    operations = re.findall(r"/operations/[0-9a-f-]+", history)
    assert len(operations) == 2
    why = f"/provisioning/why?q={made.json()['id']}"
    assert "Everything that came was applied" in admin.get(why).text
    assert all(value not in admin.get(page).text for page in (path, f"{path}/history", why, *operations))


def test_a_profile_and_its_roles(admin: Browser, client: Client) -> None:
    made = client.create_user(
        displayName="Ada", emails=[{"value": "ada@example.com", "type": "work", "primary": True}], schemas=[user.URN]
    )
    client.create_group(displayName="Night Patrol", members=[{"value": made["id"]}])

    profile = admin.get(f"/employees/{made['id']}").text
    roles = admin.get(f"/employees/{made['id']}/roles").text

    assert "ada@example.com (work, primary)" in profile
    assert "Night Patrol" in roles


def test_roles_are_listed_with_members_and_searched(admin: Browser, client: Client) -> None:
    member = client.create_user(displayName="Ada")
    made = client.create_group(displayName="Night Patrol", members=[{"value": member["id"]}])
    client.create_group(displayName="Day Shift")

    listed = admin.get("/settings/general/roles", params={"q": "night"}).text
    shown = admin.get(f"/settings/general/roles/{made['id']}").text

    assert ("Night Patrol" in listed, "Day Shift" in listed) == (True, False)
    assert ("Provisioned by test" in shown, "Ada" in shown) == (True, True)


def test_a_token_is_shown_once_and_works(admin: Browser, client: Client, stack: Settings) -> None:
    made = admin.submit(
        f"{CONNECTIONS}/new", name="Entra ID", lifetime="90", scope=["users", "read"], networks="127.0.0.0/8"
    )
    secret = _secret(made)
    mine = httpx.Client(base_url=f"{stack.public_url}/rest/scim/v2", headers={"Authorization": f"Bearer {secret}"})

    with mine:
        assert mine.get("/Users").status_code == 200
        assert mine.get("/Groups").status_code == 403
    listed = admin.get(CONNECTIONS).text
    assert (made.status_code, made.headers["Cache-Control"]) == (200, "no-store")
    assert f"{stack.public_url}/rest/scim/v2/{FLAG}" in made.text
    assert all(word in listed for word in ("Entra ID", "read, users", "127.0.0.0/8"))
    assert secret not in listed + "".join(admin.get(link).text for link in admin.links(CONNECTIONS) if "/conn" in link)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": ""}, "name"),
        ({"networks": "not a network"}, "not a network"),
        ({"scope": ["users"]}, "read or write"),
        ({"lifetime": "7000"}, "Choose"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(admin: Browser, wrong: dict[str, Any], told: str) -> None:
    terms: dict[str, Any] = {"name": "Okta", "lifetime": "365", "scope": ["users", "read"], "networks": ""} | wrong

    response = admin.submit(f"{CONNECTIONS}/new", **terms)

    assert response.status_code == 400
    assert told in response.text
    assert "mst_" not in response.text


def test_a_token_is_rotated_with_an_overlap_and_revoked(admin: Browser, client: Client, stack: Settings) -> None:
    path = f"{CONNECTIONS}/{client.tenant.principal.token_id}"

    rotated = admin.submit(path, f"{path}/rotate", overlap="7")
    again = admin.submit(path, f"{path}/revoke")
    twice = admin.post(f"{path}/rotate", data={"csrf": _word(admin), "overlap": "7"})
    with httpx.Client(headers={"Authorization": f"Bearer {_secret(rotated)}"}) as fresh:
        assert fresh.get(f"{stack.public_url}/rest/scim/v2/Users").status_code == 200

    page = admin.get(path).text
    assert (again.status_code, twice.status_code) == (303, 409)
    assert ("Revoked" in page, "rotated it" in page, "revoked it" in page, admin.email in page) == (True,) * 4


def test_clients_are_listed_beside_tokens(admin: Browser, client: Client, stack_engine: Engine) -> None:
    with database.transaction(stack_engine) as connection:
        clients.create_with_secret(connection, client.tenant.principal.tenant_id, "Payroll robot", Terms())

    page = admin.get(CONNECTIONS).text

    assert "Payroll robot" in page.partition("OAuth clients")[2]


@pytest.mark.parametrize("guide", ["entra", "okta"])
def test_the_steps_have_the_tenants_own_address(admin: Browser, stack: Settings, guide: str) -> None:
    page = admin.get(f"{CONNECTIONS}/set-up/{guide}").text

    assert f"{stack.public_url}/rest/scim/v2/" in page
    assert admin.get(f"{CONNECTIONS}/set-up/nobody").status_code == 404


def _rel(rel: str, response: httpx.Response) -> str:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', response.text)
    assert found is not None
    return found[1].replace("&amp;", "&")


def _names(response: httpx.Response) -> list[str]:
    return re.findall(r"Person \d\d", response.text)


def _secret(response: httpx.Response) -> str:
    found = re.search(r"mst_\w+", response.text)
    assert found is not None, response.text
    return found[0]


def _word(browser: Browser) -> str:
    return browser.get("/account").text.partition('name="csrf" value="')[2][:64]
