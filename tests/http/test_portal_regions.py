"""Regions and rules in the portal: made, edited as a draft, previewed, saved; and how employees' pages show them."""

import csv
import io
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import audit_reading, database, region_moves, region_moving, region_saving, regions
from services.directory.audit_chain import Action
from services.directory.permissions import Permission
from services.directory.region_rules import HQ
from shared.scim.schemas import enterprise
from shared.settings import Settings
from tests.browsing import Browser, signed_in
from tests.factories import Client, employee, patch, replace

REGIONS = "/settings/general/regions"
RULES = f"{REGIONS}/rules"
DEPARTMENT = f"{enterprise.URN}:department"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def admin(stack: Settings, stack_engine: Engine, client: Client) -> Iterator[Browser]:
    """The browser of an admin of the client's tenant."""
    with signed_in(stack, stack_engine, client.tenant) as browser:
        yield browser


@pytest.fixture
def north(admin: Browser, client: Client, stack_engine: Engine) -> str:
    """The id of a region that was made on the page."""
    assert admin.submit(REGIONS, name="North").status_code == 303
    return region(stack_engine, client, "North")


def region(engine: Engine, client: Client, name: str) -> str:
    with database.transaction(engine) as connection:
        return regions.find_named(connection, client.tenant.principal.tenant_id, name).id


def hire(client: Client, department: str, **attributes: Any) -> dict[str, Any]:
    response = client.post("/Users", json=employee(**{enterprise.URN: {"department": department}}, **attributes))
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


def form(*rules: tuple[str, str, str, str], number: int = 0, **more: str) -> dict[str, Any]:
    names = ("attribute", "operator", "value", "region")
    columns = {name: [rule[place] for rule in rules] for place, name in enumerate(names)}
    return {"number": str(number), **columns, **more}


def night(region_id: str) -> tuple[str, str, str, str]:
    return (DEPARTMENT, "equals", "Night Patrol", region_id)


def save(admin: Browser, *rules: tuple[str, str, str, str], number: int = 0) -> httpx.Response:
    """Preview rules, and save what was previewed."""
    previewed = hidden(admin.submit(RULES, **form(*rules, number=number, do="preview")), "previewed")
    return admin.submit(RULES, **form(*rules, number=number, previewed=previewed, do="save"))


def hidden(response: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', response.text)
    assert found is not None, response.text
    return found[1]


def values(response: httpx.Response, name: str) -> list[str]:
    """Return what the fields of the draft say, in their order."""
    if name == "value":
        return [unescape(each) for each in re.findall(r'name="value" value="([^"]*)"', response.text)]
    selects = re.findall(rf'name="{name}">(.*?)</select>', response.text, re.DOTALL)
    return [unescape(re.findall(r'value="([^"]*)" selected', each)[0]) for each in selects]


def everybody_moved(engine: Engine, client: Client) -> None:
    tenant_id = client.tenant.principal.tenant_id
    while True:
        with database.transaction(engine) as connection:
            saved = region_saving.newest(connection, tenant_id)
            assert saved is not None
            if saved.ended_at and not region_moving.standing(connection, tenant_id, saved).pending:
                assert region_moves.count(connection, region_moving.rules_of(connection, tenant_id, saved)) == 0
                return
        time.sleep(0.1)


def test_rules_are_previewed_saved_and_move_people(
    admin: Browser, client: Client, stack_engine: Engine, north: str
) -> None:
    guards = [hire(client, "Night Patrol", displayName=f"Guard {number}") for number in range(3)]
    hire(client, "Sales", displayName="Clerk")

    preview = admin.submit(RULES, **form(night(north), do="preview"))
    assert "3 employees would move" in preview.text
    assert "HQ" in preview.text.partition("Guard 0")[2].partition("</tr>")[0]
    assert "Clerk" not in preview.text
    assert "There are none" in admin.get(REGIONS).text
    saved = save(admin, night(north))
    everybody_moved(stack_engine, client)

    assert (saved.status_code, saved.headers["Location"]) == (303, f"{REGIONS}?done=saved")
    page = admin.get(REGIONS).text
    assert "Everybody is where the rules say; they moved 3" in page
    assert all(word in page for word in ("Night Patrol", admin.email, "saved rules"))
    history = admin.get(f"/employees/{guards[0]['id']}/history").text
    assert "Moved to North" in history
    assert f"<b>the rules of regions</b>, saved by {admin.email}" in history
    operation = admin.get(re.findall(r"/operations/[0-9a-f-]+", history)[0]).text
    assert all(word in operation for word in ("MOVE", "settled", f"saved by {admin.email}"))
    assert "Everything that came was applied" in admin.get(f"/provisioning/why?q={guards[0]['id']}").text
    assert client.get(f"/Users/{guards[0]['id']}").json() == guards[0]


def test_a_write_goes_by_the_rules_at_once(admin: Browser, client: Client, north: str) -> None:
    save(admin, night(north))

    guard = hire(client, "Night Patrol", displayName="Guard")
    clerk = hire(client, "Sales", displayName="Clerk")
    client.patch(f"/Users/{clerk['id']}", json=patch(replace(DEPARTMENT, "Night Patrol")))

    profile = admin.get(f"/employees/{guard['id']}").text
    history = admin.get(f"/employees/{clerk['id']}/history").text
    assert all(word in profile for word in ("North", "by rule 1", "Department equals", "Night Patrol"))
    assert all(word in history for word in ("2 fields changed", "Region", "North", "by <b>test</b>"))


def test_the_list_shows_filters_and_exports_regions(admin: Browser, client: Client, north: str) -> None:
    save(admin, night(north))
    hire(client, "Night Patrol", displayName="Guard")
    hire(client, "Sales", displayName="Clerk")

    everybody = admin.get("/employees").text
    only = admin.get("/employees", params={"region": north}).text
    hq = admin.get("/employees", params={"region": HQ, "q": "clerk", "status": "active"}).text
    exported = admin.get("/employees.csv", params={"region": north}).text

    assert "North" in everybody.partition("Guard")[2].partition("</tr>")[0]
    assert ("Guard" in only, "Clerk" in only) == (True, False)
    assert ("Guard" in hq, "Clerk" in hq) == (False, True)
    rows = list(csv.DictReader(io.StringIO(exported.removeprefix("\ufeff"))))
    assert [(row["Name"], row["Region"]) for row in rows] == [("Guard", "North")]


@pytest.mark.parametrize("wrong", ["Nowhere", "x" * 10_000, "'; DROP TABLE region; --", "\0", EVIL])
def test_a_region_that_is_none_is_refused_as_a_filter(admin: Browser, wrong: str) -> None:
    for page in ("/employees", "/employees.csv"):
        refused = admin.get(page, params={"region": wrong})

        assert (refused.status_code, EVIL in refused.text) == (400, False)
        assert "There is no such region" in refused.text


def test_another_tenants_region_is_none(admin: Browser, client: Client, stranger: Client, stack_engine: Engine) -> None:
    with database.transaction(stack_engine) as connection:
        theirs = regions.create(connection, stranger.tenant.principal.tenant_id, "Theirs").id

    refused = admin.submit(RULES, **form(night(theirs), do="preview"))

    assert (refused.status_code, "there is no such region any more" in refused.text) == (400, True)
    assert admin.get("/employees", params={"region": theirs}).status_code == 400
    assert admin.submit(REGIONS, f"{REGIONS}/{theirs}/rename", name="Mine").status_code == 404
    assert admin.submit(REGIONS, f"{REGIONS}/{theirs}/remove").status_code == 404
    assert region(stack_engine, stranger, "Theirs") == theirs


def test_a_draft_is_edited_in_its_form(admin: Browser, north: str) -> None:
    first, second = night(north), ("title", "is present", "", HQ)

    added = admin.submit(RULES, **form(first, second, do="add"))
    up = admin.submit(RULES, **form(first, second, do="up 2"))
    down = admin.submit(RULES, **form(first, second, do="down 1"))
    deleted = admin.submit(RULES, **form(first, second, do="delete 1"))

    assert len(values(added, "value")) == 3
    assert values(up, "attribute") == values(down, "attribute") == ["title", DEPARTMENT]
    assert values(up, "region") == [HQ, north]
    assert values(deleted, "operator") == ["is present"]
    assert "There are none" in admin.get(REGIONS).text


def test_nothing_is_saved_that_was_not_previewed(
    admin: Browser, client: Client, stack_engine: Engine, north: str
) -> None:
    seen = hidden(admin.submit(RULES, **form(night(north), do="preview")), "previewed")

    other = admin.submit(RULES, **form((DEPARTMENT, "contains", "a", north), previewed=seen, do="save"))
    none = admin.submit(RULES, **form(night(north), do="save"))

    assert all("not previewed yet" in response.text for response in (other, none))
    with database.transaction(stack_engine) as connection:
        assert region_saving.newest(connection, client.tenant.principal.tenant_id) is None


def test_somebody_elses_rules_are_not_overwritten_unseen(
    admin: Browser, client: Client, stack: Settings, stack_engine: Engine, north: str
) -> None:
    mine = form(night(north), do="save")
    mine["previewed"] = hidden(admin.submit(RULES, **mine | {"do": "preview"}), "previewed")
    with signed_in(stack, stack_engine, client.tenant) as other:
        assert save(other, ("title", "equals", "Chief", north)).status_code == 303
        saver = other.email

    stale = admin.submit(RULES, **mine)
    kept = admin.submit(RULES, **form(night(north), number=int(hidden(stale, "number")), do="preview"))

    assert stale.status_code == 409
    assert f"{saver[:1].upper()}{saver[1:]} saved other rules" in unescape(stale.text)
    assert "Chief" in stale.text.partition("In force now")[2]
    assert values(stale, "value") == ["Night Patrol"]
    seen = hidden(kept, "previewed")
    assert admin.submit(RULES, **form(night(north), number=1, previewed=seen, do="save")).status_code == 303


def test_saving_what_is_in_force_changes_nothing(
    admin: Browser, client: Client, stack_engine: Engine, north: str
) -> None:
    save(admin, night(north))

    again = save(admin, night(north), number=1)

    assert again.headers["Location"].endswith("done=same")
    with database.transaction(stack_engine) as connection:
        saved = region_saving.newest(connection, client.tenant.principal.tenant_id)
    assert saved is not None
    assert saved.number == 1


def test_a_preview_has_pages(admin: Browser, client: Client, north: str) -> None:
    for number in range(27):
        hire(client, "Night Patrol", displayName=f"Guard {number:02}")

    first = admin.submit(RULES, **form(night(north), do="preview"))
    more = re.search(r'value="(more [0-9a-f-]+)"', first.text)
    assert more is not None
    second = admin.submit(RULES, **form(night(north), do=more[1]))

    assert "27 employees would move" in first.text
    assert ("Guard 24" in first.text, "Guard 25" in first.text) == (True, False)
    assert ("Guard 24" in second.text, "Guard 26" in second.text) == (False, True)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (("password", "starts with", "a", "{}"), "password cannot be compared by a rule"),
        (("nothing", "equals", "a", "{}"), "no attribute"),
        (("", "equals", "a", "{}"), "choose an attribute"),
        (("title", "equals", "", "{}"), "say what"),
        (("title", "equals", "x" * 10_000, "{}"), "at most 200 characters"),
        (("x" * 10_000, "equals", "x", "{}"), "at most 400 characters"),
        (("active", "equals", EVIL, "{}"), "true or false"),
        ((EVIL, "equals", "x", "{}"), "no attribute"),
        (("title", "equals", "x", EVIL), "no such region"),
    ],
)
@pytest.mark.parametrize("do", ["preview", "save"])
def test_a_rule_that_makes_no_sense_is_told(
    admin: Browser, north: str, do: str, wrong: tuple[str, str, str, str], told: str
) -> None:
    attribute, operator, value, region_id = wrong

    refused = admin.submit(RULES, **form((attribute, operator, value, region_id.format(north)), do=do))

    assert refused.status_code == 400
    assert told in unescape(refused.text)
    assert EVIL not in refused.text


@pytest.mark.parametrize(
    "broken",
    [
        {"do": "nothing"},
        {"do": "up"},
        {"do": "up 2"},
        {"do": "up 0"},
        {"do": "down x"},
        {"do": "more x"},
        {"number": "-1"},
        {"number": "9" * 100},
        {"operator": ["is like"]},
        {"value": []},
        {"value": ["a", "b"]},
    ],
)
def test_a_broken_form_is_refused(admin: Browser, north: str, broken: dict[str, Any]) -> None:
    refused = admin.submit(RULES, **form(night(north), do="preview") | broken)

    assert refused.status_code == 400
    assert "<h1>" in refused.text


def test_more_rules_than_anybody_reads_are_refused(admin: Browser, north: str) -> None:
    refused = admin.submit(RULES, **form(*[night(north)] * 51, do="preview"))

    assert (refused.status_code, "at most 50 rules" in refused.text) == (400, True)


@pytest.mark.parametrize("name", ["", "  ", "x" * 10_000, "HQ", "north", "a\0b"])
def test_a_region_with_a_bad_name_is_not_made(admin: Browser, north: str, name: str) -> None:
    made = admin.submit(REGIONS, name=name)
    renamed = admin.submit(REGIONS, f"{REGIONS}/{HQ}/rename", name="x" * 101)

    assert (made.status_code, renamed.status_code) == (400, 400)
    assert 'role="alert"' in made.text


def test_a_stale_word_changes_nothing(admin: Browser, north: str) -> None:
    for place in (REGIONS, RULES, f"{REGIONS}/again", f"{REGIONS}/{north}/rename", f"{REGIONS}/{north}/remove"):
        assert admin.post(place, data={"csrf": "0" * 64, "name": "Mine", "do": "add"}).status_code == 403
    assert "Mine" not in admin.get(REGIONS).text


def test_a_region_is_renamed_and_removed_when_nobody_needs_it(
    admin: Browser, client: Client, stack_engine: Engine, north: str
) -> None:
    hire(client, "Night Patrol", displayName="Guard")
    save(admin, night(north))
    everybody_moved(stack_engine, client)

    renamed = admin.submit(REGIONS, f"{REGIONS}/{north}/rename", name="Far North")
    used = admin.submit(REGIONS, f"{REGIONS}/{north}/remove")
    save(admin, number=1)
    everybody_moved(stack_engine, client)
    removed = admin.submit(REGIONS, f"{REGIONS}/{north}/remove")

    assert (renamed.status_code, used.status_code, removed.status_code) == (303, 409, 303)
    assert "Far North is the region of rule 1" in used.text
    page = admin.get(REGIONS).text
    assert all(word in page for word in ("removed the region", "renamed the region", "Far North"))
    assert f"/employees?region={north}" not in page


def test_who_only_views_sees_and_changes_nothing(
    admin: Browser, client: Client, stack: Settings, stack_engine: Engine, north: str
) -> None:
    save(admin, night(north))
    with signed_in(stack, stack_engine, client.tenant, frozenset({Permission.VIEW})) as viewer:
        pages = [viewer.get(place).text for place in (REGIONS, RULES)]
        word = viewer.get("/account").text.partition('name="csrf" value="')[2][:64]
        refused = viewer.post(RULES, data={"csrf": word, **form(do="preview")})

    assert all("Night Patrol" in page and "Administrator" in page for page in pages)
    assert all(f'action="{place}' not in page for page in pages for place in (REGIONS, RULES))
    assert refused.status_code == 403


def test_the_history_is_filtered_by_region_and_by_its_rules(
    admin: Browser, client: Client, stack_engine: Engine, north: str
) -> None:
    guard = hire(client, "Night Patrol", displayName="Guard")
    save(admin, night(north))
    everybody_moved(stack_engine, client)
    path = f"/employees/{guard['id']}/history"

    for filters in ({"field": "region"}, {"source": "rules"}):
        page = admin.get(path, params=filters).text

        assert ("Moved to North" in page, "plus-circle" in page, "<b>Created</b>" in page) == (True, False, False)
    assert "Moved to North" not in admin.get(path, params={"source": str(client.tenant.principal.token_id)}).text


def test_everybody_is_checked_again(admin: Browser, client: Client, stack_engine: Engine, north: str) -> None:
    hire(client, "Night Patrol", displayName="Guard")
    save(admin, night(north))
    everybody_moved(stack_engine, client)

    again = admin.submit(REGIONS, f"{REGIONS}/again")
    everybody_moved(stack_engine, client)

    assert again.headers["Location"].endswith("done=again")
    assert "had everybody checked again" in admin.get(REGIONS).text


def test_what_is_changed_is_in_the_audit(admin: Browser, client: Client, stack_engine: Engine, north: str) -> None:
    save(admin, night(north))

    with database.transaction(stack_engine) as connection:
        rows = audit_reading.newest(connection, client.tenant.principal.tenant_id, 10)

    saved = next(row for row in rows if row.action == Action.REGION_RULES_SAVED)
    assert saved.details["rules"][0] | {"region": north} == {
        "attribute": DEPARTMENT,
        "operator": "equals",
        "value": "Night Patrol",
        "region": north,
    }
    assert (saved.details["number"], saved.details["admin"]) == (1, admin.email)
    assert Action.REGION_CREATED in {row.action for row in rows}
