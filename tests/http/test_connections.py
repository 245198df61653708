"""What a gateway notes of a connection: its first times, its habits, its counts, and of a flood not too much."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, func, select

from services.directory import database, ids, lints, live, onboarding, trace_tables, traffic
from services.directory.onboarding import Step
from services.directory.traffic import Kind, Result
from services.gateway import recording
from tests.factories import Client, employee, patch, person, replace, role

MOST_LOOKS = 5_000
Seen = TypeVar("Seen")


@pytest.fixture
def seen(stack_engine: Engine) -> Callable[[Callable[[Connection], Seen], Callable[[Seen], object]], Seen]:
    """Looks until what a gateway noted has been written down."""

    def look(read: Callable[[Connection], Seen], is_there: Callable[[Seen], object]) -> Seen:
        found = None
        for _ in range(MOST_LOOKS):
            with database.transaction(stack_engine) as connection:
                found = read(connection)
            if is_there(found):
                return found
        raise AssertionError(found)

    return look


def milestones(tenant_id: UUID) -> Callable[[Connection], Any]:
    return lambda connection: onboarding.connections(connection, tenant_id)[0].milestones


def counts(tenant_id: UUID) -> Callable[[Connection], dict[tuple[Kind, Result], int]]:
    def read(connection: Connection) -> dict[tuple[Kind, Result], int]:
        found = traffic.minutes(connection, tenant_id, datetime.now(UTC) - timedelta(hours=1))
        sums: dict[tuple[Kind, Result], int] = {}
        for each in found:
            sums[each.kind, each.result] = sums.get((each.kind, each.result), 0) + each.requests
        return sums

    return read


def test_the_first_times_of_a_connection_are_known_with_their_requests(client: Client, seen: Any) -> None:
    tenant_id = client.tenant.principal.tenant_id
    client.get("/Users", params={"filter": f'userName eq "{ids.new()}"'}, headers={"X-Request-ID": "the-test"})
    client.get("/Users", params={"filter": 'userName eq "ada@example.com"'}, headers={"X-Request-ID": "the-match"})
    user = client.post("/Users", json=person(), headers={"X-Request-ID": "the-user"}).json()["id"]
    group = client.post("/Groups", json=role(), headers={"X-Request-ID": "the-group"}).json()["id"]
    message = patch({"op": "add", "path": "members", "value": [{"value": user}]})
    client.patch(f"/Groups/{group}", json=message, headers={"X-Request-ID": "the-member"})
    client.post("/Users", json=person(), headers={"X-Request-ID": "another-user"})

    found = seen(milestones(tenant_id), lambda reached: len(reached) == len(Step))

    assert {step: each.request_id for step, each in found.items()} == {step: f"the-{step}" for step in Step}
    assert found[Step.TEST].at <= found[Step.MATCH].at <= found[Step.USER].at <= found[Step.MEMBER].at


def test_what_okta_does_is_known_too(client: Client, seen: Any) -> None:
    client.get("/Users", params={"startIndex": 1, "count": 2})

    found = seen(milestones(client.tenant.principal.tenant_id), lambda reached: reached)

    assert set(found) == {Step.TEST}


def test_whoever_listens_hears_of_it_at_once(client: Client, stack_engine: Engine) -> None:
    tenant_id = client.tenant.principal.tenant_id
    with database.autocommit(stack_engine) as connection:
        live.listen(connection)
        client.create_user()

        heard: set[UUID] = set()
        for _ in range(100):
            heard |= live.heard(connection, 1.0)
            if tenant_id in heard:
                break

        reached = onboarding.connections(connection, tenant_id)[0].milestones
    assert tenant_id in heard
    assert Step.USER in reached


def test_habits_are_told_with_how_often(client: Client, seen: Any) -> None:
    tenant_id = client.tenant.principal.tenant_id
    client.create_user(userName="bare@example.com")
    client.create_user(userName="nick@example.com", externalId="Nick", emails=[{"value": "n@example.com"}])
    client.create_user(userName="strange@example.com", externalId="s-1", shoeSize=43, active="True")
    for _ in range(8):
        client.post("/Users", json=employee(externalId=f"x-{ids.new()}", emails=[{"value": "x@example.com"}]))

    found = seen(
        lambda connection: lints.found(connection, tenant_id),
        lambda told: (
            any(f.lint is lints.STRING_BOOLEAN for f in told) and any(f.lint is lints.NEVER_MAPPED for f in told)
        ),
    )

    told = {(each.lint.code, each.about): (each.times, each.of) for each in found}
    assert told["no-external-id", "User"] == (1, 11)
    assert told["external-id-is-nickname", "User"] == (1, 11)
    assert told["no-email", "User"] == (2, 11)
    assert told["not-kept", "shoeSize"] == (1, 11)
    assert told["string-boolean", ""][0] == 1
    assert ("never-mapped", "name") in told
    assert ("never-mapped", "emails") not in told


def test_requests_are_counted_by_kind_and_result(client: Client, seen: Any) -> None:
    tenant_id = client.tenant.principal.tenant_id
    user, group = client.create_user(), client.create_group()
    url = f"/Users/{user['id']}"
    client.get(url)
    client.get(f"/Users/{ids.new()}")
    client.get("/Users", params={"filter": f'userName eq "{user["userName"]}"'})
    client.get("/Schemas")
    client.patch(url, json=patch(replace("title", "x")))
    client.patch(url, json=patch(replace("active", value=False)))
    client.patch(f"/Groups/{group['id']}", json=patch({"op": "add", "path": "members", "value": [{"value": "x"}]}))
    client.post("/Users", json=person(userName=user["userName"]))
    client.delete(url)

    found = seen(counts(tenant_id), lambda sums: (Kind.DELETE, Result.OK) in sums)

    assert found == {
        (Kind.CREATE, Result.OK): 2,
        (Kind.READ, Result.OK): 1,
        (Kind.READ, Result.NONE): 1,
        (Kind.MATCH, Result.OK): 1,
        (Kind.DISCOVERY, Result.OK): 1,
        (Kind.CHANGE, Result.OK): 1,
        (Kind.DISABLE, Result.OK): 1,
        (Kind.REFERENCE, Result.REFUSED): 1,
        (Kind.CREATE, Result.REFUSED): 1,
        (Kind.DELETE, Result.OK): 1,
    }


def test_of_a_flood_some_is_kept_and_the_rest_is_counted(client: Client, seen: Any) -> None:
    tenant_id = client.tenant.principal.tenant_id
    many = recording.KEPT_AT_ONCE * 3

    def look(connection: Connection) -> tuple[int, int, int]:
        sums = counts(tenant_id)(connection)
        rows = select(func.count()).where(trace_tables.refused.c.tenant_id == tenant_id)
        left_out = sums.get((Kind.NOT_KEPT, Result.REFUSED), 0)
        return sums.get((Kind.CREATE, Result.REFUSED), 0), left_out, connection.scalar(rows) or 0

    statuses = {client.post("/Users", json=person(active="perhaps")).status_code for _ in range(many)}
    refused, left_out, kept = seen(look, lambda found: found[0] == found[1] + found[2] == many)

    assert statuses == {400}
    assert refused == many
    assert left_out > 0
    assert kept >= recording.KEPT_AT_ONCE
