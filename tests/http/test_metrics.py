"""What is counted can be read by whoever has the token for that, and by nobody else."""

import re
from datetime import timedelta

import httpx
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from services.cli import main
from services.directory import database, tokens
from services.directory.tokens import Terms
from services.gateway import app
from services.stack import children
from shared import metrics, settings
from shared.settings import Settings
from tests import conftest
from tests.factories import Client, patch, replace

MOST_SECONDS = 60


def read(stack: Settings) -> dict[str, float]:
    response = httpx.get(f"{stack.public_url}/metrics", headers={"Authorization": f"Bearer {conftest.METRICS_TOKEN}"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    samples = re.findall(r"^(muster_\S+) (\S+)$", response.text, re.MULTILINE)
    return {name: float(value) for name, value in samples}


def test_writes_are_counted_where_they_were_accepted_settled_and_answered(client: Client, stack: Settings) -> None:
    before = read(stack)

    user = client.create_user()["id"]
    client.patch(f"/Users/{user}", json=patch(replace("title", "x")))
    client.patch(f"/Users/{user}", json=patch(replace("userName", "")))
    client.delete(f"/Users/{user}", headers={"If-Match": 'W/"99"'})

    def grown(name: str) -> float:
        return sum(value - before.get(at, 0) for at, value in read(stack).items() if at.startswith(name))

    assert children.until(lambda: grown("muster_writes_accepted_total") >= 3, MOST_SECONDS)
    assert children.until(lambda: grown('muster_operations_settled_total{status="2xx"}') >= 2, MOST_SECONDS)
    assert children.until(lambda: grown('muster_operations_settled_total{status="4xx"}') >= 1, MOST_SECONDS)
    assert children.until(lambda: grown("muster_writes_answered_total") >= 3, MOST_SECONDS)


def test_every_counter_without_a_label_is_there_from_the_beginning(stack: Settings) -> None:
    found = read(stack)

    assert {f"muster_{each.name}_total" for each in metrics.EVERY if not each.label} <= set(found)


def test_tokens_that_end_soon_are_told_by_how_soon(client: Client, stack: Settings, stack_engine: Engine) -> None:
    before = read(stack)

    with database.transaction(stack_engine) as connection:
        for days in (0.5, 5, 20, 200):
            terms = Terms(lifetime=timedelta(days=days))
            tokens.create(connection, client.tenant.principal.tenant_id, f"{days} days", None, terms)

    ending = {days: f'muster_tokens_ending{{days="{days}"}}' for days in tokens.WARNINGS}
    grown = {days: read(stack)[name] - before[name] for days, name in ending.items()}
    assert grown == {30: 3, 14: 2, 7: 2, 1: 1}


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic eDp5"])
def test_without_the_token_nothing_is_told(stack: Settings, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    response = httpx.get(f"{stack.public_url}/metrics", headers=headers)

    assert response.status_code == 401
    assert "muster_" not in response.text


def test_a_token_of_a_tenant_is_none_for_that(client: Client, stack: Settings) -> None:
    response = httpx.get(f"{stack.public_url}/metrics", headers={"Authorization": client.headers["Authorization"]})

    assert response.status_code == 401


def test_where_no_token_is_set_there_is_nothing(servers: Settings) -> None:
    application = app.create(servers)

    response = application.test_client().get("/metrics", headers={"Authorization": "Bearer "})
    application.extensions["running"].stop()

    assert response.status_code == 404


def test_a_command_shows_them_too(client: Client, stack: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    client.create_user()
    for name, value in settings.environment(stack).items():
        monkeypatch.setenv(name, value)

    def shown() -> str:
        result = CliRunner().invoke(main, ["counters"])
        assert result.exit_code == 0
        return result.output

    assert children.until(lambda: "writes_accepted" in shown(), MOST_SECONDS)
