"""The image's health check finds the process that runs, and judges it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.gateway import commands as gateway
from services.worker import commands as worker
from shared import healthy
from shared.settings import Settings


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bind() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"0.0.0.0:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", [worker.worker, worker.beat, worker.flower, gateway.gateway], ids=lambda c: c.name)
def test_every_process_is_known_by_its_command_line(
    kind: object, servers: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("os.execve", lambda _, command, __: lines.append(" ".join(command)))
    monkeypatch.setattr("os.execv", lambda _, command: lines.append(" ".join(command)))
    monkeypatch.setenv("MUSTER_DATABASE_URL", servers.database_url)
    monkeypatch.setenv("MUSTER_BROKER_URL", servers.broker_url)

    kind.callback(**({"schedule": None} if kind is worker.beat else {}))  # type: ignore[attr-defined]

    assert healthy.find_kind(iter(["/sbin/docker-init --", *lines])) == kind.name  # type: ignore[attr-defined]


def test_what_runs_for_a_while_only_is_healthy() -> None:
    assert healthy.find_kind(iter(["muster migrate", "python -m shared.healthy"])) is None
    assert healthy.find_kind(iter(["/usr/bin/python muster edge --listen 0.0.0.0:8080 --to gateway:8080"])) == "edge"


def test_a_server_is_healthy_while_it_answers_200(bind: str) -> None:
    assert healthy.answers(bind, "/readyz")
    assert not healthy.answers(bind, "/elsewhere")
    assert not healthy.answers("127.0.0.1:1", "/readyz")
