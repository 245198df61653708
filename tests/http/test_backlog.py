"""With a backlog: beyond what can be worked off in time 429, and never for a leaver, who overtakes besides."""

import json
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import Engine, func, select

from services.directory import batches, database, tables
from services.stack.supervisor import Stack
from shared.scim import messages
from tests import conftest, stacks
from tests.factories import Client, bulk, bulk_post, patch, person, replace
from tests.shards import held

ASYNC = {"Prefer": "respond-async"}
DEADLINE_SECONDS = 2
MOST = 20_000
"""Writes after which a backlog should have been noticed, on a machine of any speed."""


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that may be brought to a halt."""
    environ = conftest.environment() | {
        "MUSTER_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        "MUSTER_SWEEP_SECONDS": "1",
        "MUSTER_SHARDS": "1",
    }
    data = tmp_path_factory.mktemp("halted")
    with stacks.lean(data, environ) as running:
        yield running


@pytest.fixture
def crowd(own_stack: Stack, own_engine: Engine) -> Iterator[Client]:
    """A client of a tenant that will have too much pending."""
    with Client(own_stack.settings.public_url, conftest.make_tenant(own_engine)) as http:
        yield http


@pytest.fixture
def bystander(own_stack: Stack, own_engine: Engine) -> Iterator[Client]:
    with Client(own_stack.settings.public_url, conftest.make_tenant(own_engine)) as http:
        yield http


def send_until_refused(client: Client) -> tuple[int, httpx.Response]:
    """Send writes without waiting; return how many were accepted, and the refusal of the first that was not."""
    for accepted in range(MOST):
        response = client.post("/Users", json=person(), headers=ASYNC)
        if response.status_code != 202:
            return accepted, response
    raise AssertionError("nothing was refused")


def test_a_tenant_with_too_much_pending_is_refused_and_nobody_else(
    own_stack: Stack, own_engine: Engine, crowd: Client, bystander: Client
) -> None:
    leaver, gone, left = (crowd.create_user()["id"] for _ in range(3))

    with held(own_engine, own_stack.settings.shards):
        accepted, refused = send_until_refused(crowd)
        whole = crowd.post("/Bulk", json=bulk(bulk_post("a", "/Users", person())))
        mixed = crowd.post(
            "/Bulk", json=bulk(bulk_post("a", "/Users", person()), {"method": "DELETE", "path": f"/Users/{left}"})
        )
        late = crowd.patch(f"/Users/{leaver}", json=patch(replace("active", value=False)))
        deactivated = crowd.patch(f"/Users/{leaver}", json=patch(replace("active", value=False)), headers=ASYNC)
        deleted = crowd.delete(f"/Users/{gone}", headers=ASYNC)
        others = bystander.post("/Users", json=person(), headers=ASYNC)
        read = crowd.get(f"/Users/{gone}")
        shown = backlog(own_stack)

    assert accepted >= batches.BATCH
    assert refused.status_code == 429
    assert refused.json()["schemas"] == [messages.ERROR]
    assert (refused.json()["status"], "scimType" in refused.json()) == ("429", False)
    assert 1 <= int(refused.headers["Retry-After"]) <= 300
    assert whole.status_code == 429
    assert [result["status"] for result in mixed.json()["Operations"]] == ["429", "503"]
    assert late.status_code == 503
    assert int(late.headers["Retry-After"]) > 5
    assert (deactivated.status_code, deleted.status_code) == (202, 202)
    assert (others.status_code, read.status_code) == (202, 200)
    assert shown[crowd.tenant.principal.tenant]["due"] >= accepted


def test_what_was_accepted_is_applied_in_the_end_and_what_was_refused_is_not(
    own_stack: Stack, own_engine: Engine, crowd: Client
) -> None:
    with held(own_engine, own_stack.settings.shards):
        accepted, _ = send_until_refused(crowd)

    totals = [0]
    while totals[-1] < accepted and len(totals) < MOST:
        totals.append(crowd.get("/Users", params={"count": 0}).json()["totalResults"])
    again = crowd.post("/Users", json=person(), headers=ASYNC)

    assert totals[-1] == accepted
    assert again.status_code in {202, 429}


def test_a_leaver_overtakes_the_backlog(own_stack: Stack, own_engine: Engine, crowd: Client) -> None:
    leaver = crowd.create_user()["id"]

    with held(own_engine, own_stack.settings.shards):
        accepted, _ = send_until_refused(crowd)
        told = crowd.patch(f"/Users/{leaver}", json=patch(replace("active", value=False)), headers=ASYNC)
    states = [""]
    while states[-1] != "settled" and len(states) < MOST:
        with database.transaction(own_engine) as connection:
            mine = tables.operation.c.id == told.headers["Set-Txn"]
            states.append(connection.scalars(select(tables.operation.c.state).where(mine)).one())

    with database.transaction(own_engine) as connection:
        table = tables.operation
        settled = select(table.c.settled_at).where(table.c.id == told.headers["Set-Txn"]).scalar_subquery()
        others = (table.c.tenant_id == crowd.tenant.principal.tenant_id, table.c.resource_type == "User")
        earlier = select(func.count()).where(*others, table.c.settled_at < settled)
        overtaken = accepted + 1 - (connection.scalar(earlier) or 0)
    assert crowd.get(f"/Users/{leaver}").json()["active"] is False
    assert overtaken >= accepted - batches.BATCH


def backlog(stack: Stack) -> dict[str, dict[str, int]]:
    """Return what the command says of each tenant."""
    command = [sys.executable, "-m", "services.cli", "operations", "backlog", "--json", "--data", str(stack.data)]
    told = subprocess.run(command, env=conftest.environment(), capture_output=True, text=True, check=True)
    return {row["tenant"]: row for row in json.loads(told.stdout)["tenants"]}
