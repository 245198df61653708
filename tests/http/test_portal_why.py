"""What admins see of provisioning in the portal: why somebody is not there, cycles, operations, first times."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select, update

from services.directory import audit_reading, database, ids, portal_tables, traffic
from services.directory.audit_chain import Action, Row
from services.directory.journal import Write
from services.directory.permissions import Permission
from services.directory.traffic import Key, Kind, Result
from services.stack import children
from shared.settings import Settings
from tests import poison
from tests.browsing import Browser, signed_in
from tests.factories import Client, patch, person, role, write

WHY, CYCLES, OPERATIONS = "/provisioning/why", "/provisioning/cycles", "/provisioning/operations"
CONNECTIONS = "/provisioning/connections"
PATIENCE = 120.0
MOST_LOOKS = 2_000
PASSES = "RAISE EXCEPTION 'a deadlock' USING ERRCODE = '40P01'"
Until = Callable[[str, str], str]


@pytest.fixture
def admin(stack: Settings, stack_engine: Engine, client: Client) -> Iterator[Browser]:
    """The browser of an admin who may manage provisioning, and no more."""
    with signed_in(stack, stack_engine, client.tenant, frozenset({Permission.PROVISIONING})) as browser:
        yield browser


@pytest.fixture
def until(admin: Browser) -> Until:
    """Loads a page until it says something: a gateway writes down what it notes within a moment."""

    def look(path: str, words: str) -> str:
        for _ in range(MOST_LOOKS):
            page = admin.get(path).text
            if words in page:
                return page
        raise AssertionError(path, words)

    return look


@pytest.fixture
def dead(stack_engine: Engine, client: Client) -> Write:
    """A write that was given up, and would succeed by now."""
    doomed = write(client.tenant, request=person(title=poison.MARK))
    poison.die(stack_engine, doomed)
    return doomed


def test_who_was_refused_is_told_with_the_cause_and_what_to_change(client: Client, until: Until) -> None:
    user = client.create_user(displayName="Ada Lovelace")["userName"]

    client.post("/Users", json=person(userName=user, password="n0b0dy-kn0ws-this"))

    page = until(f"{WHY}?q={user}", "user-name-taken")
    verdict = page.partition('class="card-box verdict bad"')[2].partition("</section>")[0]
    assert all(word in verdict for word in ("Ada Lovelace", "Another user of this tenant", "409", "In Entra ID"))
    assert page.partition("Everything that came")[2].count('class="dot ') == 2
    assert "What it said, without secrets" in page
    assert "n0b0dy-kn0ws-this" not in page


def test_each_thing_that_is_known_finds_it(client: Client, until: Until) -> None:
    client.create_group(displayName="Sales EMEA")
    client.post("/Users", json=person(displayName="Ada", externalId="ext-7"), headers={"X-Request-ID": "the-request-7"})

    for wanted, shown in (("ext-7", "Ada"), ("Sales EMEA", "status 201"), ("the-request-7", "the-request-7")):
        assert "Everything that came was applied" in until(f"{WHY}?q={wanted}", shown)


def test_without_a_question_it_tells_what_to_type(admin: Browser) -> None:
    assert "Type what you know" in admin.get(WHY).text
    assert "Type what you know" in admin.get(WHY, params={"q": "  "}).text


def test_who_never_came_is_told_with_the_last_cycle(client: Client, until: Until) -> None:
    client.create_user()

    page = until(f"{WHY}?q=nobody@example.com", "also not in the last cycle at")

    assert "never-came" in page
    assert "check the assignment and the scope" in page


def test_where_nothing_came_at_all_it_is_told_what_to_check(admin: Browser) -> None:
    page = admin.get(WHY, params={"q": "nobody@example.com"}).text

    assert "No request of this tenant has reached Muster at all" in page
    assert "<b>Tenant URL</b>" in page


@pytest.mark.parametrize(
    ("wanted", "status"), [("x" * 10_000, 400), ("a\0b", 400), ("'; DROP TABLE employee; --", 200), ("%", 200)]
)
def test_what_makes_no_sense_is_answered_with_a_page(admin: Browser, wanted: str, status: int) -> None:
    response = admin.get(WHY, params={"q": wanted})

    assert response.status_code == status
    assert "<h1>" in response.text


def test_another_tenant_is_told_nothing_and_a_script_is_text(
    stack: Settings, stack_engine: Engine, client: Client, stranger: Client, until: Until
) -> None:
    evil = "<script>alert(1)</script>"
    made = client.create_user(displayName=evil, title=evil)

    with signed_in(stack, stack_engine, stranger.tenant) as other:
        foreign = other.get(WHY, params={"q": made["userName"]}).text

    own = until(f"{WHY}?q={made['userName']}", "Everything that came was applied")
    assert "No request of this tenant has reached Muster" in foreign
    assert made["id"] not in foreign
    assert "&lt;script&gt;alert" in own
    assert "<script>alert" not in own


def test_who_saw_values_is_in_the_audit(admin: Browser, client: Client, stack_engine: Engine) -> None:
    made = client.create_user()

    admin.get(WHY, params={"q": made["userName"]})

    shown = next(row for row in rows(stack_engine, client) if row.action == Action.VALUES_SHOWN)
    assert (shown.target, shown.details["admin"]) == (made["id"], admin.email)


def test_cycles_are_told_by_connection_with_what_was_missed(
    admin: Browser, client: Client, stack_engine: Engine
) -> None:
    principal, now = client.tenant.principal, datetime.now(UTC).replace(second=0, microsecond=0)
    cycles = [now - timedelta(minutes=40 * number) for number in range(4, 9)]
    with database.transaction(stack_engine) as connection:
        traffic.add(
            connection,
            {
                Key(
                    tenant_id=principal.tenant_id,
                    minute=began,
                    token_id=principal.token_id,
                    kind=Kind.CREATE,
                    result=result,
                ): count
                for began in cycles
                for result, count in ((Result.OK, 7), (Result.REFUSED, 6_000))
            },
        )

    page = admin.get(CYCLES).text

    assert "3 cycles were missed" in page
    assert "every 40 minutes" in page
    assert "Entra ID may put this connection into quarantine (likely)" in page
    assert page.count('data-label="Took"') == 5


def test_a_token_that_is_refused_is_told_with_the_cycles(admin: Browser, client: Client, until: Until) -> None:
    path = f"{CONNECTIONS}/{client.tenant.principal.token_id}"
    client.create_user()
    admin.submit(path, f"{path}/revoke")

    answers = (client.get("/Users").status_code for _ in range(MOST_LOOKS))

    assert 401 in answers
    assert "for bad credentials at once" in until(CYCLES, "The token is refused")


def test_cycles_of_an_empty_tenant_lead_to_its_connections(admin: Browser) -> None:
    assert "Nothing came in the last seven days" in admin.get(CYCLES).text


def test_operations_tell_the_pace_and_refresh_themselves(admin: Browser, client: Client) -> None:
    client.create_user()

    page, part = admin.get(OPERATIONS).text, admin.get(f"{OPERATIONS}/now", headers={"HX-Request": "true"}).text

    assert part.lstrip().startswith('<div id="now" hx-get="/provisioning/operations/now" hx-trigger="every 3s"')
    assert "No lane waits for anything" in page
    for shown in (page, part):
        assert re.search(r"p99\)</dt><dd>[\d.]+ m?s<", shown)
        assert "of 1 operations" in shown


def test_what_waits_is_told_with_its_cause(client: Client, stack_engine: Engine, until: Until) -> None:
    user = client.create_user(displayName="Ada Lovelace")
    url, change = f"/Users/{user['id']}", {"op": "replace", "path": "title", "value": poison.MARK}

    with poison.spread(stack_engine, PASSES):
        client.patch(url, json=patch(change), headers={"Prefer": "respond-async"})
        page = until(OPERATIONS, 'id="w-')
        answer = until(f"{WHY}?q={user['id']}", "retrying")

    row = page.partition('id="w-')[2].partition("</tr>")[0]
    assert all(words in row for words in ("Ada Lovelace", "Change User", "DeadlockDetected", "<time"))
    assert "is tried again by itself" in answer
    assert "No lane waits for anything" in until(OPERATIONS, "No lane waits")


def test_what_died_is_tried_again_and_applied(
    admin: Browser, client: Client, dead: Write, stack_engine: Engine, until: Until
) -> None:
    path = f"{OPERATIONS}/{dead.id}"

    listed = admin.get(OPERATIONS).text
    retried = admin.submit(path, f"{path}/retry", later="0")
    again = admin.submit("/account", f"{path}/retry", later="0")

    page = until(path, "(settled, 201)")
    assert path in listed
    assert retried.status_code == 303
    assert again.status_code == 409
    assert "It was replayed already" in again.text
    assert "tried it again" in page
    assert path not in admin.get(OPERATIONS).text
    [row] = [row for row in rows(stack_engine, client) if row.action == Action.OPERATION_RETRIED]
    assert (row.target, row.details["admin"], set(row.details)) == (str(dead.id), admin.email, {"admin", "replay"})


def test_what_died_is_discarded_for_a_reason_only(
    admin: Browser, client: Client, dead: Write, stack_engine: Engine
) -> None:
    path = f"{OPERATIONS}/{dead.id}"

    unreasoned = [admin.submit(path, f"{path}/discard", why=why) for why in ("", "  ", "x" * 301, "a\0b")]
    without_word = admin.post(f"{path}/discard", data={"why": "entered by hand"})
    discarded = admin.submit(path, f"{path}/discard", why="entered by hand")
    again = admin.submit("/account", f"{path}/discard", why="entered by hand")

    assert [response.status_code for response in (*unreasoned, without_word)] == [400, 400, 400, 400, 403]
    assert (discarded.status_code, again.status_code) == (303, 409)
    assert "discarded it: entered by hand" in admin.get(path).text
    [row] = [row for row in rows(stack_engine, client) if row.action == Action.OPERATION_DISCARDED]
    assert (row.details["why"], row.details["admin"]) == ("entered by hand", admin.email)
    assert admin.email not in row.details["by"]


def test_a_retry_that_later_writes_overtook_is_looked_at_again(
    admin: Browser, client: Client, stack_engine: Engine
) -> None:
    user = client.create_user()
    doomed = write(
        client.tenant,
        "PATCH",
        patch({"op": "replace", "path": "title", "value": poison.MARK}),
        lane=ids.parse(user["id"]),
    )
    poison.die(stack_engine, doomed)
    path = f"{OPERATIONS}/{doomed.id}"
    seen = admin.get(path).text
    client.patch(f"/Users/{user['id']}", json=patch({"op": "replace", "path": "title", "value": "Analyst"}))

    refused = admin.submit(path, f"{path}/retry", later="0")
    nonsense = admin.submit(path, f"{path}/retry", later="many")

    assert 'name="later" value="0"' in seen
    assert (refused.status_code, nonsense.status_code) == (409, 400)
    assert "Later writes of this resource were applied in the meantime" in refused.text
    assert "may undo" in admin.get(path).text


def test_the_first_times_of_a_connection_turn_green_one_after_the_other(
    admin: Browser, client: Client, until: Until
) -> None:
    path = f"{CONNECTIONS}/{client.tenant.principal.token_id}"
    before = admin.get(path).text

    user = client.create_user(externalId=None)
    client.create_group(**role(members=[{"value": user["id"]}]))

    assert (before.count('class="has-not"'), 'hx-trigger="every 1s"' in before) == (5, True)
    part = until(f"{path}/progress", "no-external-id")

    def done() -> set[str]:
        return set(re.findall(r'<li class="has">.*?<b>([^<]+)</b>', admin.get(f"{path}/progress").text, re.DOTALL))

    assert children.until(lambda: {"First user", "First group"} <= done(), PATIENCE)
    assert "First matching query" not in done()
    assert "<b>objectId</b>" in part


def test_what_a_page_asks_for_by_itself_keeps_nobody_signed_in(
    admin: Browser, client: Client, stack_engine: Engine
) -> None:
    table, mine = (
        portal_tables.portal_session,
        portal_tables.portal_session.c.tenant_id == client.tenant.principal.tenant_id,
    )
    with database.transaction(stack_engine) as connection:
        earlier = func.clock_timestamp() - timedelta(hours=1)
        connection.execute(update(table).where(mine).values(seen_at=earlier))

    def idle() -> bool:
        with database.transaction(stack_engine) as connection:
            return bool(
                connection.scalar(select(table.c.seen_at < func.clock_timestamp() - timedelta(minutes=30)).where(mine))
            )

    polled = [
        admin.get(f"{OPERATIONS}/now"),
        admin.get(f"{CONNECTIONS}/{client.tenant.principal.token_id}/progress"),
    ]
    is_idle_after_polls = idle()
    admin.get(OPERATIONS)

    assert [response.status_code for response in polled] == [200, 200]
    assert (is_idle_after_polls, idle()) == (True, False)


def rows(engine: Engine, client: Client) -> list[Row]:
    with database.transaction(engine) as connection:
        return list(audit_reading.newest(connection, client.tenant.principal.tenant_id, 20))
