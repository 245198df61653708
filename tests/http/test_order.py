"""Every acknowledged write took effect once, and in the order in which its lane accepted it."""

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, select

from services.directory import database, tables
from shared.scim import versions
from shared.settings import Settings
from tests.factories import Client, patch, replace

CLIENTS, RESOURCES, WRITES = 32, 20, 25


def test_the_nth_success_on_a_resource_returns_version_n(client: Client, stack: Settings, stack_engine: Engine) -> None:
    ids = [client.create_user()["id"] for _ in range(RESOURCES)]

    def play(number: int) -> list[tuple[str, int, str]]:
        chosen = random.Random(number)
        seen = []
        with Client(stack.public_url, client.tenant) as http:
            for turn in range(WRITES):
                target, title = chosen.choice(ids), f"client {number} turn {turn}"
                answer = http.patch(f"/Users/{target}", json=patch(replace("title", title)))
                assert answer.status_code == 200, answer.text
                assert answer.json()["title"] == title
                seen.append((target, versions.number(answer.json()["meta"]["version"]), title))
        return seen

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = [answer for seen in pool.map(play, range(CLIENTS)) for answer in seen]

    of_resource = defaultdict(list)
    for target, version, title in answers:
        of_resource[target].append((version, title))
    assert len(answers) == CLIENTS * WRITES
    for target, seen in of_resource.items():
        assert sorted(version for version, _ in seen) == list(range(2, len(seen) + 2))
        now = client.get(f"/Users/{target}").json()
        assert (versions.number(now["meta"]["version"]), now["title"]) == max(seen)
        assert _journaled(stack_engine, target) == [title for _, title in sorted(seen)]


def _journaled(engine: Engine, target: str) -> list[str]:
    """Return the titles that a lane's operations set, in the order in which they were accepted."""
    table = tables.operation
    with database.transaction(engine) as connection:
        rows = connection.execute(
            select(table.c.request, table.c.state).where(table.c.lane == target).order_by(table.c.seq).offset(1)
        ).all()
    assert {row.state for row in rows} == {"settled"}
    return [row.request[0]["value"] for row in rows]
