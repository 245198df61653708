"""The commands that decide about dead operations, on a real stack whose workers apply the replays."""

import getpass
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select

from services.cli import main
from services.directory import database, ids, tables
from services.directory import dead as dead_operations
from services.directory.dead import DecisionError
from services.directory.journal import Write
from shared import settings
from shared.settings import Settings
from tests import poison
from tests.factories import Client, patch, person, replace, write


@pytest.fixture
def environ(stack: Settings) -> dict[str, str]:
    return settings.environment(stack)


@pytest.fixture
def dead(stack_engine: Engine, client: Client) -> Iterator[Write]:
    """A POST that died; what killed it is gone."""
    made = doomed(client)
    poison.die(stack_engine, made)
    yield made
    poison.cure(stack_engine)


def operations(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, ["operations", *arguments], env=environ)


def show(environ: dict[str, str], operation_id: UUID | str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(operations(environ, "show", "--json", str(operation_id)).stdout)
    return document


def listed(environ: dict[str, str], client: Client, *arguments: str) -> list[str]:
    result = operations(environ, "list", "--json", "--tenant", client.tenant.principal.tenant, *arguments)
    return [line["id"] for line in json.loads(result.stdout)]


def doomed(client: Client, **attributes: Any) -> Write:
    return write(client.tenant, request=person(title=poison.MARK, **attributes), reply_to="")


def doomed_patch(client: Client, lane: UUID) -> Write:
    return write(client.tenant, "PATCH", patch(replace("title", poison.MARK)), lane=lane, reply_to="")


def replay_of(engine: Engine, operation_id: UUID) -> UUID:
    with database.transaction(engine) as connection:
        found: UUID = connection.scalars(
            select(tables.operation.c.id).where(tables.operation.c.replay_of == operation_id)
        ).one()
    return found


def test_a_dead_post_is_applied_by_a_replay_in_the_lane_it_made(
    environ: dict[str, str], client: Client, dead: Write, stack_engine: Engine
) -> None:
    assert client.get(f"/Users/{dead.lane}").status_code == 404

    result = operations(environ, "retry", str(dead.id))

    assert result.exit_code == 0, result.output
    assert client.get(f"/Users/{dead.lane}").json()["userName"] == dead.request["userName"]
    replay = show(environ, replay_of(stack_engine, dead.id))
    assert (replay["replay_of"], replay["state"], replay["status"], replay["seq"]) == (str(dead.id), "settled", 201, 2)
    assert replay["request_id"] == dead.request_id
    origin = show(environ, dead.id)
    assert [link["id"] for link in origin["replays"]] == [replay["id"]]
    assert origin["state"] == "dead"
    assert replay["id"] in origin["next"][0]
    assert listed(environ, client, "--dead") == []
    assert listed(environ, client, "--state", "dead") == [str(dead.id)]


def test_the_lane_of_a_replayed_post_goes_on(environ: dict[str, str], client: Client, dead: Write) -> None:
    operations(environ, "retry", str(dead.id))

    changed = client.patch(f"/Users/{dead.lane}", json=patch(replace("title", "Clerk")))
    deleted = client.delete(f"/Users/{dead.lane}")

    assert (changed.status_code, changed.json()["meta"]["version"]) == (200, 'W/"2"')
    assert deleted.status_code == 204


def test_a_second_retry_is_refused_with_what_became_of_the_first(
    environ: dict[str, str], dead: Write, stack_engine: Engine
) -> None:
    operations(environ, "retry", str(dead.id))

    again = operations(environ, "retry", str(dead.id))

    assert again.exit_code == 1
    first = replay_of(stack_engine, dead.id)
    assert f"it was replayed already, as {first}, which is settled, with status 201" in again.stderr


def test_what_died_again_may_be_retried_again(
    environ: dict[str, str], client: Client, dead: Write, stack_engine: Engine
) -> None:
    with poison.spread(stack_engine, poison.RAISES):
        failed = operations(environ, "retry", str(dead.id))
    first = replay_of(stack_engine, dead.id)
    waiting = listed(environ, client, "--dead")

    second = operations(environ, "retry", str(first))
    third = operations(environ, "retry", str(first))

    assert (failed.exit_code, "dead again" in failed.stdout, "RaiseException P0001" in failed.stdout) == (1, True, True)
    assert set(waiting) == {str(dead.id), str(first)}
    assert second.exit_code == 0
    assert third.exit_code == 1
    assert client.get(f"/Users/{dead.lane}").status_code == 200


def test_a_replay_that_comes_after_later_writes_says_so_first(
    environ: dict[str, str], client: Client, stack_engine: Engine
) -> None:
    lane = UUID(client.create_user()["id"])
    late = doomed_patch(client, lane)
    poison.die(stack_engine, late)
    client.patch(f"/Users/{lane}", json=patch(replace("title", "Clerk")))
    client.patch(f"/Users/{lane}", json=patch(replace("title", "Head Clerk")))

    asked = operations(environ, "retry", str(late.id))
    previewed = operations(environ, "retry", str(late.id), "--dry-run")
    between = client.get(f"/Users/{lane}").json()["title"]
    done = operations(environ, "retry", str(late.id), "--yes")

    assert (asked.exit_code, previewed.exit_code, done.exit_code) == (1, 0, 0)
    for result in (asked, previewed):
        assert f"{late.id}: 2 later writes of this resource were applied since; the replay comes after" in result.stderr
    assert "--yes" in asked.stderr
    assert between == "Head Clerk"
    assert client.get(f"/Users/{lane}").json()["title"] == poison.MARK


def test_a_refused_replay_is_told_with_its_reason(environ: dict[str, str], client: Client, dead: Write) -> None:
    client.create_user(userName=dead.request["userName"])

    result = operations(environ, "retry", str(dead.id))

    assert result.exit_code == 1
    assert "refused" in result.stdout
    assert "409" in result.stdout


def test_what_is_not_dead_is_refused_with_its_state(
    environ: dict[str, str], client: Client, stack_engine: Engine
) -> None:
    client.create_user()
    [settled] = listed(environ, client)

    for command in (["retry"], ["discard", "--why", "no"]):
        refused = operations(environ, command[0], settled, *command[1:])
        unknown = operations(environ, command[0], str(ids.new()), *command[1:])

        assert (refused.exit_code, unknown.exit_code) == (1, 1)
        assert "it is settled" in refused.stderr
        assert "only dead operations can be retried or discarded" in refused.stderr
        assert "there is no such operation" in unknown.stderr


def test_a_discarded_operation_is_kept_with_who_and_why_and_listed_as_dead_no_more(
    environ: dict[str, str], client: Client, dead: Write
) -> None:
    discarded = operations(environ, "discard", str(dead.id), "--why", "entered by hand")
    again = operations(environ, "discard", str(dead.id), "--why", "entered by hand")
    retried = operations(environ, "retry", str(dead.id))

    shown = show(environ, dead.id)
    assert (discarded.exit_code, again.exit_code, retried.exit_code) == (0, 1, 1)
    assert (shown["state"], shown["discarded_why"], shown["discarded_by"]) == (
        "discarded",
        "entered by hand",
        getpass.getuser(),
    )
    assert shown["discarded_at"] > shown["settled_at"]
    assert listed(environ, client, "--dead") == []
    assert listed(environ, client, "--state", "discarded") == [str(dead.id)]
    assert "it is discarded already" in retried.stderr


def test_many_are_retried_by_a_filter_in_the_order_of_their_lanes(
    environ: dict[str, str], client: Client, stack_engine: Engine
) -> None:
    lane = UUID(client.create_user()["id"])
    titles = [
        write(client.tenant, "PATCH", patch(replace("title", poison.MARK), replace("nickName", str(n))), lane=lane)
        for n in range(3)
    ]
    others = [doomed(client) for _ in range(120)]
    poison.die(stack_engine, *titles, *others)
    which = ("--dead", "--tenant", client.tenant.principal.tenant)

    previewed = operations(environ, "retry", *which, "--dry-run")
    asked = operations(environ, "retry", *which)
    before = listed(environ, client, "--dead", "--limit", "1000")
    done = operations(environ, "retry", *which, "--yes")

    assert (previewed.exit_code, asked.exit_code, done.exit_code) == (0, 1, 0), done.output
    assert "123 would be replayed; nothing was done" in previewed.stderr
    assert "123 operations would be retried: say --yes" in asked.stderr
    assert len(before) == 123
    assert listed(environ, client, "--dead") == []
    assert client.get("/Users").json()["totalResults"] == 121
    user = client.get(f"/Users/{lane}").json()
    assert (user["nickName"], user["meta"]["version"]) == ("2", 'W/"4"')


def test_many_are_discarded_by_a_filter_and_the_others_stay(
    environ: dict[str, str], client: Client, stack_engine: Engine
) -> None:
    kept = doomed(client)
    unwanted = [write(client.tenant, request=person(title=poison.MARK), request_id="import-7") for _ in range(3)]
    poison.die(stack_engine, kept, *unwanted)

    result = operations(
        environ, "discard", "--request", "import-7", "--tenant", client.tenant.principal.tenant, "--why", "x", "--yes"
    )

    assert result.exit_code == 0
    assert "3 discarded" in result.stderr
    assert listed(environ, client, "--dead") == [str(kept.id)]


def test_two_who_retry_at_once_make_one_replay(environ: dict[str, str], dead: Write, stack_engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: attempt(stack_engine, dead), range(4)))

    assert sorted(results) == [False, False, False, True]
    replay_of(stack_engine, dead.id)


def attempt(engine: Engine, operation: Write) -> bool:
    try:
        with database.transaction(engine) as connection:
            dead_operations.replay(connection, operation.id, 0)
    except DecisionError:
        return False
    return True


def test_a_replay_without_waiting_is_accepted_and_applied_later(
    environ: dict[str, str], client: Client, dead: Write, stack_engine: Engine
) -> None:
    result = operations(environ, "retry", str(dead.id), "--no-wait")

    assert result.exit_code == 0
    # The next write of the same lane waits for the replay, and so for all that came before.
    changed = client.patch(f"/Users/{dead.lane}", json=patch(replace("title", "Clerk")))
    assert changed.json()["meta"]["version"] == 'W/"2"'


def test_a_replay_that_was_overtaken_unseen_is_refused(client: Client, stack_engine: Engine) -> None:
    lane = UUID(client.create_user()["id"])
    late = doomed_patch(client, lane)
    poison.die(stack_engine, late)
    client.patch(f"/Users/{lane}", json=patch(replace("title", "Clerk")))

    with pytest.raises(DecisionError, match="in the meantime"), database.transaction(stack_engine) as connection:
        dead_operations.replay(connection, late.id, known_later=0)
