"""What benches share: a stack of their own, clients that keep their connection, bodies to send, and a report."""

import http.client
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

from bench.figures import Figure
from services.directory import database, tenants, tokens
from services.stack import supervisor
from services.stack.supervisor import Stack
from shared import settings
from shared.scim import messages
from shared.scim.schemas import enterprise, user

# One token sends what a hundred would; it is counted all the same.
LIMITS = {"MUSTER_REQUESTS_PER_SECOND": "1000000", "MUSTER_TENANT_CONCURRENCY": "1000"}

# Names are unique over all processes of a bench.
_RUN = uuid4().hex[:8]
_numbers = count(1)


class Client:
    """One connection with a token, kept open."""

    def __init__(self, address: str, secret: str) -> None:
        self._connection = http.client.HTTPConnection(address)
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/scim+json"}

    def send(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Send one request, and return the body of its answer. Raises AssertionError unless it is a success."""
        status, content = self.ask(method, path, body, {})
        assert 200 <= status < 300, content
        answer: dict[str, object] = orjson.loads(content) if content else {}
        return answer

    def ask(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send one request, and return status and body of whatever is answered."""
        payload = None if body is None else orjson.dumps(body)
        self._connection.request(method, f"/rest/scim/v2{path}", payload, {**self._headers, **headers})
        response = self._connection.getresponse()
        return response.status, response.read()


@contextmanager
def stack(own: Mapping[str, str] = LIMITS) -> Iterator[tuple[str, Engine]]:
    """Run a stack on free ports for the duration of the block: the gateway's address, and its database."""
    with whole_stack(own) as (running, engine):
        yield running.settings.gateway_bind, engine


@contextmanager
def whole_stack(own: Mapping[str, str] = LIMITS) -> Iterator[tuple[Stack, Engine]]:
    """Run a stack on free ports for the duration of the block, and open its database."""
    folder = Path(tempfile.mkdtemp(prefix="muster-bench-"))
    others = {name: value for name, value in os.environ.items() if not name.startswith(settings.PREFIX)}
    environ = others | LIMITS | dict(own)
    try:
        with supervisor.running(folder, gateway_port=0, flower_port=0, environ=environ) as running:
            engine = database.connect(running.settings.database_url, process="bench")
            yield running, engine
            engine.dispose()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tenant(engine: Engine, slug: str) -> str:
    """Make a tenant, and return the secret of its token."""
    with database.transaction(engine) as connection:
        return tokens.create(connection, tenants.create(connection, slug, None).id, "bench")


def person() -> dict[str, object]:
    """Return a User to create."""
    number = f"{_RUN}-{next(_numbers)}"
    name = f"person{number}@bench.example"
    return {
        "schemas": [user.URN, enterprise.URN],
        "externalId": f"bench-{number}",
        "userName": name,
        "active": True,
        "displayName": f"Person {number}",
        "name": {"givenName": "Person", "familyName": number},
        "title": "Measurer",
        "emails": [{"primary": True, "type": "work", "value": name}],
        enterprise.URN: {"department": "Bench", "employeeNumber": number},
    }


def title() -> dict[str, object]:
    """Return a PATCH of a title."""
    return patch({"op": "Replace", "path": "title", "value": f"Measurer {next(_numbers)}"})


def patch(operation: dict[str, object]) -> dict[str, object]:
    """Return a PATCH message."""
    return {"schemas": [messages.PATCH_OP], "Operations": [operation]}


def report(title: str, figures: Sequence[Figure], results: Path) -> None:
    """Print figures, and write them down beside the bench."""
    table = Table("what", "unit", "median", "lowest .. highest")
    for figure in figures:
        table.add_row(figure.name, figure.unit, f"{figure.median:.1f}", figure.spread)
    console = Console()
    console.print(table)
    results.write_text(_document(title, figures))
    console.print(f"written to {results.relative_to(Path.cwd()) if results.is_relative_to(Path.cwd()) else results}")


def _document(title: str, figures: Sequence[Figure]) -> str:
    lines = [
        f"# {title}",
        "",
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {os.cpu_count()} cores, everything on them.",
        "",
        "| what | unit | median | lowest .. highest |",
        "|---|---|---|---|",
        *(f"| {f.name} | {f.unit} | {f.median:.1f} | {f.spread} |" for f in figures),
    ]
    return "\n".join(lines) + "\n"
