"""What is unanswered: rows of a day, the presence of who is to answer, and the keys beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from services.directory import database, idempotency, ids, journal, presence, unanswered
from services.directory.journal import Write
from services.directory.presence import Presence
from services.stack import children
from shared.settings import Settings
from tests.factories import Tenant, patch, person, write
from tests.factories import replace as replacing

SHARDS, MINE = 1, 7
SECONDS = 60.0


def recognisable(tenant: Tenant, method: str = "POST", request: object = None, **fields: object) -> Write:
    made = write(tenant, method, request, **fields)
    return replace(made, digest=unanswered.digest(made, is_async=False))


def accept(engine: Engine, *writes: Write) -> journal.Accepted:
    with database.transaction(engine) as connection:
        return journal.accept(connection, writes, SHARDS, MINE)


def execute(engine: Engine, statement: str, **values: object) -> None:
    with database.transaction(engine) as connection:
        connection.execute(text(statement), values)


def test_a_write_has_its_digest_again_and_no_other_has_it(tenant: Tenant) -> None:
    lane, other = ids.new(), ids.new()
    body = person()
    message = patch(replacing("title", "x"))
    writes = [
        recognisable(tenant, request=body),
        recognisable(tenant, request=body | {"title": "x"}),
        recognisable(tenant, request=body, resource_type="Group"),
        recognisable(tenant, request=body, token_id=uuid4()),
        recognisable(tenant, "PUT", body, lane=lane),
        recognisable(tenant, "PUT", body, lane=other),
        recognisable(tenant, "PATCH", message, lane=lane),
        recognisable(tenant, "PATCH", message, lane=lane, if_match='W/"1"'),
        recognisable(tenant, "DELETE", lane=lane),
    ]
    digests = {each.digest for each in writes}

    again = recognisable(tenant, request=dict(reversed(body.items())))

    assert len(digests) == len(writes)
    assert again.digest == writes[0].digest
    assert unanswered.digest(writes[0], is_async=True) not in digests


def test_a_repeated_write_is_accepted_once_it_is_known_to_be_new(engine: Engine, tenant: Tenant) -> None:
    body = person()
    first, again = recognisable(tenant, request=body), recognisable(tenant, request=body)
    assert first.id in accept(engine, first).shards

    left_out = accept(engine, again, other := recognisable(tenant))
    accepted = accept(engine, replace(again, is_new=True))

    assert (set(left_out.shards), set(left_out.repeated)) == ({other.id}, {again.id})
    assert (set(accepted.shards), set(accepted.repeated)) == ({again.id}, set())


def test_what_was_answered_is_not_found_any_more(engine: Engine, tenant: Tenant) -> None:
    told, lost = (recognisable(tenant) for _ in range(2))
    accept(engine, told, lost)

    with database.transaction(engine) as connection:
        unanswered.remove(connection, [told.id])
        unanswered.abandon(connection, [lost.id], MINE)
        found = [unanswered.find(connection, each.digest or b"", but=[]) for each in (told, lost)]

    assert [[(each.operation_id, each.answering) for each in some] for some in found] == [[], [(lost.id, None)]]


def test_one_of_two_takes_an_operation_over(engine: Engine, tenant: Tenant) -> None:
    lost = recognisable(tenant)
    accept(engine, lost)
    with database.transaction(engine) as connection:
        [found] = unanswered.find(connection, lost.digest or b"", but=[])

        won = [unanswered.take_over(connection, found, number) for number in (8, 9)]
        [after] = unanswered.find(connection, lost.digest or b"", but=[])

    assert (won, after.answering) == ([True, False], 8)


@pytest.mark.parametrize(("seconds", "is_overdue"), [(0, False), (unanswered.LONGEST_ANSWER_SECONDS, True)])
def test_nobody_is_waited_for_beyond_what_a_request_can_take(
    engine: Engine, tenant: Tenant, seconds: int, is_overdue: bool
) -> None:
    old = recognisable(tenant)
    accept(engine, old)
    execute(
        engine,
        "UPDATE unanswered SET since = since - make_interval(secs => :seconds) WHERE operation_id = :id",
        seconds=seconds,
        id=old.id,
    )

    with database.transaction(engine) as connection:
        [found] = unanswered.find(connection, old.digest or b"", but=[])

    assert found.is_overdue is is_overdue


def test_rows_and_keys_are_dropped_after_a_day(engine: Engine, tenant: Tenant) -> None:
    old, young = (replace(recognisable(tenant), key=idempotency.digest(str(uuid4()))) for _ in range(2))
    with database.transaction(engine) as connection:
        assert idempotency.claim(connection, [old, young]) == set()
    accept(engine, replace(old, key=None), replace(young, key=None))
    execute(engine, "UPDATE unanswered SET since = since - interval '24 hours' WHERE operation_id = :id", id=old.id)
    execute(
        engine,
        "UPDATE idempotency_key SET claimed_at = claimed_at - interval '24 hours' WHERE operation_id = :id",
        id=old.id,
    )

    with database.transaction(engine) as connection:
        dropped = unanswered.drop_old(connection), idempotency.drop_old(connection)
        kept = [unanswered.find(connection, each.digest or b"", but=[]) != [] for each in (old, young)]
        claimed = [idempotency.find(connection, each.token_id, each.key or b"") for each in (old, young)]

    assert min(dropped) >= 1
    assert kept == [False, True]
    assert [each is not None and each.operation_id for each in claimed] == [False, young.id]


@contextmanager
def present(servers: Settings) -> Iterator[Presence]:
    """A process that is there."""
    own = database.connect(servers.database_url, process="present", pool_size=1)
    thread = Presence(own)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
        thread.join()
        own.dispose()


def is_there(engine: Engine, number: int) -> bool:
    with database.autocommit(engine) as connection:
        return presence.is_there(connection, number)


def test_a_process_is_there_until_it_ends(engine: Engine, servers: Settings) -> None:
    with present(servers) as process:
        assert children.until(lambda: is_there(engine, process.number), SECONDS)

    assert children.until(lambda: not is_there(engine, process.number), SECONDS)


def test_a_process_is_there_again_after_its_connection_was_lost(engine: Engine, servers: Settings) -> None:
    def session() -> int | None:
        with database.autocommit(engine) as connection:
            statement = text("SELECT pid FROM pg_stat_activity WHERE application_name = 'muster-present'")
            found: int | None = connection.scalar(statement)
            return found

    with present(servers) as process:
        assert children.until(lambda: is_there(engine, process.number), SECONDS)
        lost = session()

        execute(engine, "SELECT pg_terminate_backend(:pid)", pid=lost)

        assert children.until(lambda: session() not in {lost, None}, SECONDS)
        assert children.until(lambda: is_there(engine, process.number), SECONDS)
