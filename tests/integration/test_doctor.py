"""`muster doctor` names what is wrong, and says for each what to do."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from services.cli import main
from services.directory import checkup, database, tokens
from services.directory.checkup import Level
from services.directory.tokens import Terms
from shared import queue
from shared.settings import Settings
from tests.factories import Tenant, write
from tests.integration.test_migrations import empty

__all__ = ["empty"]

NOWHERE = {"MUSTER_DATABASE_URL": "postgresql://a:b@127.0.0.1:1/x", "MUSTER_BROKER_URL": "redis://127.0.0.1:1/0"}


def run(environ: dict[str, str], tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *arguments], env={"MUSTER_DATA": str(tmp_path), **environ})


def findings(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def levels(result: Result) -> dict[str, str]:
    return {each["check"]: each["level"] for each in findings(result)}


@pytest.fixture
def environ(servers: Settings, engine: Engine) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}


def test_a_stack_that_works_has_nothing_to_mend(stack: Settings, tmp_path: Path) -> None:
    environ = {"MUSTER_DATABASE_URL": stack.database_url, "MUSTER_BROKER_URL": stack.broker_url}

    with queue.redis_client(stack) as redis:
        while not queue.has_beat(redis):
            time.sleep(0.1)
        found = levels(run(environ, tmp_path, "--json"))

    mended = ("secrets", "database", "schema", "partitions", "broker", "worker", "beat")
    assert {check: found[check] for check in mended} == dict.fromkeys(mended, "ok")


def test_servers_that_are_away_are_named_with_what_to_do(tmp_path: Path) -> None:
    result = run(NOWHERE, tmp_path, "--json")

    away = {each["check"]: each for each in findings(result)}
    assert result.exit_code == 1
    assert (away["database"]["level"], away["broker"]["level"]) == ("wrong", "wrong")
    assert "MUSTER_DATABASE_URL" in away["database"]["do"]
    assert "MUSTER_BROKER_URL" in away["broker"]["do"]


def test_weak_secrets_are_named_and_not_shown(tmp_path: Path) -> None:
    weak = {
        "MUSTER_DATABASE_URL": "postgresql://muster:quixotic@127.0.0.1:1/x",
        "MUSTER_BROKER_URL": "redis://127.0.0.1:1/0",
        "MUSTER_FLOWER_BASIC_AUTH": "staff:staff",
        "MUSTER_METRICS_TOKEN": "hunter2",
    }

    result = run(weak, tmp_path, "--json")

    said = " ".join(each["says"] for each in findings(result) if each["check"] == "secrets")
    assert result.exit_code == 1
    for name in ("DATABASE_URL", "BROKER_PASSWORD", "FLOWER_BASIC_AUTH", "METRICS_TOKEN"):
        assert f"MUSTER_{name}" in said
    assert [secret for secret in ("quixotic", "hunter2") if secret in result.output] == []


def test_without_settings_it_says_which(tmp_path: Path) -> None:
    missing = run({}, tmp_path)
    malformed = run({"MUSTER_SHARDS": "many"}, tmp_path)

    assert (missing.exit_code, malformed.exit_code) == (1, 1)
    assert "MUSTER_DATABASE_URL is not set" in missing.output
    assert "MUSTER_BROKER_URL is not set" in missing.output
    assert "MUSTER_SHARDS must be int" in malformed.output


def test_a_database_that_was_not_migrated_is_told(environ: dict[str, str], empty: Engine, tmp_path: Path) -> None:
    url = empty.url.set(drivername="postgresql").render_as_string(hide_password=False)

    result = run(environ | {"MUSTER_DATABASE_URL": url}, tmp_path, "--json")

    [schema] = [each for each in findings(result) if each["check"] == "schema"]
    assert (schema["level"], schema["do"]) == ("wrong", "muster migrate")


def test_an_expired_token_and_one_that_ends_soon_are_told(
    environ: dict[str, str], engine: Engine, tenant: Tenant, tmp_path: Path
) -> None:
    with database.transaction(engine) as connection:
        for name, lifetime in (("over", timedelta(microseconds=1)), ("nearly", timedelta(days=2))):
            tokens.create(connection, tenant.principal.tenant_id, name, terms=Terms(lifetime=lifetime))

    result = run(environ, tmp_path, "--json")

    told = {each["says"]: each["level"] for each in findings(result) if each["check"] == "tokens"}
    name = tenant.principal.tenant
    assert told[f"'over' of {name} has expired"] == "wrong"
    assert told[f"'nearly' of {name} ends within 14 days"] == "warning"


def test_dead_operations_and_waiting_ones_are_told(
    environ: dict[str, str], engine: Engine, tenant: Tenant, tmp_path: Path
) -> None:
    dead, late = write(tenant), write(tenant)
    insert = text("""
        INSERT INTO operation (id, tenant_id, token_id, request_id, resource_type, lane, seq, shard, position, method,
                               reply_to, accepted_at, state)
        VALUES (:id, :tenant_id, :token_id, 'test', 'User', :lane, 1, 0, 0, 'POST', '', now() - interval '1 hour',
                :state)
    """)
    with database.transaction(engine) as connection:
        for each, state in ((dead, "dead"), (late, "pending")):
            own = {name: getattr(each, name) for name in ("id", "tenant_id", "token_id", "lane")}
            connection.execute(insert, own | {"state": state})

    found = levels(run(environ, tmp_path, "--json"))

    with database.transaction(engine) as connection:
        connection.execute(text("DELETE FROM operation WHERE id IN (:a, :b)"), {"a": dead.id, "b": late.id})
    assert (found["dead operations"], found["waiting operations"]) == ("wrong", "wrong")


def test_a_worker_and_a_beat_that_are_away_are_told(environ: dict[str, str], servers: Settings, tmp_path: Path) -> None:
    with queue.redis_client(servers) as redis:
        redis.flushall()
        without_worker = levels(run(environ, tmp_path, "--json"))
        queue.tell_alive(redis)
        without_beat = levels(run(environ, tmp_path, "--json"))
        queue.tell_swept(redis, servers)
        with_both = levels(run(environ, tmp_path, "--json"))
        redis.flushall()

    assert (without_worker["worker"], without_worker["beat"]) == ("wrong", "warning")
    assert (without_beat["worker"], without_beat["beat"]) == ("ok", "wrong")
    assert (with_both["worker"], with_both["beat"]) == ("ok", "ok")


@pytest.mark.parametrize(
    ("ahead", "level"), [(0.0, Level.OK), (1.0, Level.OK), (30.0, Level.WRONG), (-30.0, Level.WRONG)]
)
def test_a_clock_that_is_wrong_is_told(ahead: float, level: Level) -> None:
    found = checkup._clock("database", lambda: time.time() + ahead)

    assert found.level is level
    assert ("NTP" in (found.do or "")) is (level is Level.WRONG)
