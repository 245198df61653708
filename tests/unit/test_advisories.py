"""The advisories are asked for where they can be; nothing but a vulnerability fails."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.supply import advisories

HASH = "0" * 64


class Source(HTTPServer):
    """Plays OSV: knows one vulnerable package."""

    vulnerable = "leaky"
    is_broken = False


class Answer(BaseHTTPRequestHandler):
    server: Source

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        package = asked["package"]["name"]
        if self.server.is_broken and package != "muster-asks":
            self.send_error(500)
            return
        event = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}
        affected = [{"package": {"name": package, "ecosystem": "PyPI"}, "ranges": [event], "versions": ["1.0"]}]
        vulns = [{"id": "PYSEC-1", "summary": "It leaks.", "aliases": [], "affected": affected}]
        answer = json.dumps({"vulns": vulns} if package == self.server.vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def source() -> Iterator[Source]:
    with Source(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(source: Source) -> str:
    return f"http://127.0.0.1:{source.server_port}/v1/query"


def locked(folder: Path, *names: str) -> Path:
    file = folder / "runtime.txt"
    file.write_text("".join(f"{name}==1.0 --hash=sha256:{HASH}\n" for name in names))
    return file


def test_a_vulnerable_package_fails_and_is_named(
    source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advisories.main(url(source), locked(tmp_path, "sound", "leaky")) == 1

    assert "leaky 1.0 has PYSEC-1; mended in 2.0" in capsys.readouterr().out


def test_sound_packages_pass(source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main(url(source), locked(tmp_path, "sound")) == 0

    assert "none for the 1 packages" in capsys.readouterr().out


def test_a_source_that_cannot_be_reached_fails_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert advisories.main("http://127.0.0.1:1/v1/query", locked(tmp_path, "leaky")) == 0

    assert "cannot be reached" in capsys.readouterr().out


def test_a_source_that_breaks_fails_nothing(source: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source.is_broken = True

    assert advisories.main(url(source), locked(tmp_path, "leaky")) == 0

    assert "gave no answer" in capsys.readouterr().out
