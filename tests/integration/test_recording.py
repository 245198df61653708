"""What a gateway notes is kept while the database cannot take it, given up when it never will, and bounded always."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from services.directory import database, ids, onboarding, reasons, refusals, token_secrets, traffic, why
from services.directory.onboarding import Step
from services.directory.refusals import Refusal
from services.directory.traffic import Kind, Result
from services.gateway import recording
from services.gateway.recording import Recorder, Seen, Stranger
from shared.settings import Settings
from tests.factories import Tenant


@pytest.fixture
def impatient(servers: Settings, engine: Engine) -> Iterator[Engine]:
    """A pool whose statements wait for no lock; the database is migrated."""
    assert engine is not None
    pool = database.connect(servers.database_url, process="test", lock_timeout="1ms")
    yield pool
    pool.dispose()


def seen(tenant: Tenant) -> Seen:
    return Seen(
        tenant_id=tenant.principal.tenant_id,
        token_id=tenant.principal.token_id,
        at=datetime.now(UTC),
        request_id="a-request",
        kind=Kind.CREATE,
        result=Result.OK,
        steps=(Step.USER,),
        sightings=(("attribute", "title"),),
    )


def refusal(tenant: Tenant, detail: str = "a detail") -> Refusal:
    return Refusal(
        at=datetime.now(UTC),
        id=ids.new(),
        tenant_id=tenant.principal.tenant_id,
        token_id=tenant.principal.token_id,
        request_id="a-request",
        method="POST",
        endpoint="/Users",
        resource_type="User",
        resource_id=None,
        status=400,
        scim_type="invalidValue",
        detail=detail,
        reason=reasons.WRONG_TYPE.code,
        terms=["somebody"],
    )


def written(engine: Engine, tenant: Tenant) -> tuple[int, int, int, int]:
    """Return how many requests, first times, sightings and refusals are written down."""
    tenant_id, since = tenant.principal.tenant_id, datetime.now(UTC) - timedelta(hours=1)
    with database.transaction(engine) as connection:
        return (
            sum(each.requests for each in traffic.minutes(connection, tenant_id, since)),
            len(onboarding.connections(connection, tenant_id)[0].milestones),
            sum(each.times for each in onboarding.sightings(connection, tenant_id)),
            len(refusals.since(connection, tenant_id, since, 10_000)),
        )


def test_what_the_database_cannot_take_now_is_written_down_later(
    engine: Engine, impatient: Engine, tenant: Tenant
) -> None:
    recorder = Recorder(impatient)
    recorder.see(seen(tenant))
    recorder.refuse(refusal(tenant))
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE sighting IN ACCESS EXCLUSIVE MODE"))
        recorder.flush()
        recorder.see(seen(tenant))
    before = written(engine, tenant)

    recorder.flush()

    assert before == (0, 0, 0, 0)
    assert written(engine, tenant) == (2, 1, 2, 1)


def test_what_the_database_will_never_take_is_given_up_and_the_next_is_written_down(
    engine: Engine, tenant: Tenant
) -> None:
    recorder = Recorder(engine)
    recorder.refuse(refusal(tenant, "a\x00detail"))
    recorder.flush()

    recorder.refuse(refusal(tenant))
    recorder.flush()

    assert written(engine, tenant)[3] == 1


def test_a_tenant_has_so_many_refusals_kept_and_another_its_own(engine: Engine, tenant: Tenant) -> None:
    recorder, another = Recorder(engine), ids.new()

    room = [recorder.has_room(tenant.principal.tenant_id) for _ in range(recording.KEPT_AT_ONCE * 2)]

    assert sum(room) < recording.KEPT_AT_ONCE * 2
    assert recorder.has_room(another)


def test_a_token_that_is_nobodys_leaves_nothing(engine: Engine, tenant: Tenant) -> None:
    recorder = Recorder(engine)
    told = replace(refusal(tenant), tenant_id=ids.new(), token_id=ids.new(), status=401)
    recorder.meet(Stranger(digest=token_secrets.digest(token_secrets.generate()), refusal=told))

    recorder.flush()

    assert written(engine, tenant) == (0, 0, 0, 0)


def test_a_flood_with_a_token_that_does_not_work_is_bounded(engine: Engine, tenant: Tenant) -> None:
    recorder, told = Recorder(engine), replace(refusal(tenant), status=401)
    for _ in range(recording.STRANGERS_AT_ONCE * 3):
        stranger = Stranger(digest=token_secrets.digest(tenant.secret), refusal=replace(told, id=ids.new()))
        recorder.meet(stranger)

    recorder.flush()

    assert written(engine, tenant) == (recording.STRANGERS_AT_ONCE, 0, 0, recording.STRANGERS_AT_ONCE)


@pytest.mark.parametrize(("body", "is_about_anybody"), [(None, True), ({"userName": "ada"}, False)])
def test_what_was_throttled_unread_may_have_been_about_anybody(
    engine: Engine, tenant: Tenant, body: object, is_about_anybody: bool
) -> None:
    told = replace(refusal(tenant), status=429, scim_type=None, reason=reasons.THROTTLED.code, body=body)
    with database.transaction(engine) as connection:
        refusals.keep(connection, [told])
        found = why.explain(connection, tenant.principal.tenant_id, "nobody@example.com", datetime.now(UTC))

    assert found.reason is reasons.NOTHING_CAME
    assert bool(found.perhaps) is is_about_anybody
