"""Made-up requests to a stack, and made-up texts to its parsers: a short run of what `make fuzz` does for long."""

import json
import logging
import os
import socketserver
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Self

import pytest

from shared import logs
from tests.fuzz import flood, grammar, guided, mutation, parsers, site, swarm, verdict, watch
from tests.fuzz.flood import Target
from tests.fuzz.material import Known
from tests.fuzz.parsers import Parser
from tests.fuzz.site import Site
from tests.fuzz.verdict import LONGEST_SECONDS
from tests.fuzz.wire import Answer

REQUESTS, PAGES, TEXTS, MANY = 2_000, 300, 40, 1_500
SEED = int(os.environ.get("SEED") or 7)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site.running(tmp_path_factory.mktemp("fuzzed")) as running:
        yield running


def test_whatever_is_sent_is_answered_and_nothing_is_logged_of_it(place: Site) -> None:
    with watch.memory(place.data) as memory:
        pages = flood.run(place.portal, PAGES, SEED)
        outcome = flood.run(place.gateway, REQUESTS, SEED)

    found = (*outcome.findings, *pages.findings, *place.log.findings, *memory.findings())
    assert [str(each) for each in found] == []
    assert outcome.sent >= REQUESTS
    assert outcome.broken > REQUESTS / 20
    # Requests that were all refused would have tried little.
    assert {200, 201, 204, 400, 401, 403, 404, 405, 412, 415} <= outcome.statuses.keys()
    assert outcome.statuses[200] > REQUESTS / 20
    assert {200, 303, 400, 403, 404} <= pages.statuses.keys()
    assert place.log.lines > REQUESTS / 2


@pytest.mark.parametrize("piece", parsers.PIECES)
def test_no_text_takes_the_square_of_its_length(piece: str) -> None:
    """A gateway does nothing else meanwhile, and nothing can interrupt it."""
    for parser in parsers.ALL.values():
        parsers.check(parser, parsers.pumped(piece, "!"))


@pytest.mark.parametrize("name", parsers.ALL)
def test_a_parser_takes_any_text_or_refuses_it(name: str) -> None:
    found = parsers.explore({name: parsers.ALL[name]}, TEXTS, SEED)

    assert [str(each) for each in found] == []


@pytest.mark.parametrize("name", parsers.ALL)
def test_a_parser_takes_many_texts_or_refuses_them(name: str) -> None:
    done = swarm.explore({name: parsers.ALL[name]}, MANY, SEED)[name]

    assert [str(each) for each in done.findings] == []
    # One that refused all of them would have been tried little.
    assert done.read > MANY / 50
    assert done.read + done.refused == MANY


@pytest.mark.skipif(not guided.is_there(), reason="atheris is not installed: make fuzz installs it where it can be")
def test_a_fuzzer_that_looks_into_a_parser_finds_nothing() -> None:
    assert [str(each) for each in guided.explore("filter", 2_000, SEED)] == []


def test_the_same_seed_makes_up_the_same_requests() -> None:
    def made(seed: int) -> list[bytes]:
        draw = Random(seed)
        requests = [grammar.request(draw, Known(), ("a", "b")) for _ in range(50)]
        return [mutation.encoded(mutation.damaged(draw, each)) for each in requests]

    assert made(1) == made(1) != made(2)


def test_the_same_seed_gives_a_parser_the_same_texts_which_are_not_all_of_one_kind() -> None:
    def given(seed: int) -> list[str]:
        texts: list[str] = []
        swarm.explore({"x": Parser(read=texts.append, refuses=(), make=parsers.ALL["filter"].make)}, 300, seed)
        return texts

    assert given(1) == given(1) != given(2)
    assert len(set(given(1))) > 200
    assert max(map(len, given(1))) >= parsers.PUMPED


def test_a_part_of_another_document_leaves_json_json() -> None:
    draw, one, other = Random(SEED), '{"a": [{"b": 1}, 2], "c": {}}', '{"d": {"e": [3]}, "f": null}'
    blended = [mutation.blended(draw, one, other) for _ in range(200)]

    assert sum(_is_json(each) for each in blended) > 150
    assert len(set(blended)) > 20


def test_a_parser_that_fails_or_dawdles_is_found() -> None:
    def strict(text: str) -> None:
        assert '"' not in text

    def slow(text: str) -> None:
        until = time.thread_time() + 1.1 * LONGEST_SECONDS
        while time.thread_time() < until:
            pass

    quoted, dawdling = (Parser(read=read, refuses=(), make=lambda _: "x") for read in (strict, slow))

    [found] = parsers.explore({"strict": quoted}, 200, SEED)
    assert found.what.startswith("parser strict: AssertionError")
    failed = swarm.explore({"strict": quoted}, 2_000, SEED)["strict"].findings
    assert len(failed) == swarm.MOST_FINDINGS
    assert all(b'"' in each.sent for each in failed)
    with pytest.raises(parsers.TooSlowError):
        parsers.check(dawdling, "x")


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (500, {}, b"", "our fault"),
        (502, {}, b"", "our fault"),
        (503, {}, b"", "Retry-After"),
        (429, {"retry-after": "soon"}, b"", "Retry-After"),
        (400, {"content-type": "text/html"}, b"<html>", "no JSON"),
        (400, {}, b'{"schemas": ["x"]}', "no error of the protocol"),
        (404, {}, b'{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400"}', "no error"),
    ],
)
def test_an_answer_that_is_wrong_is_found(status: int, headers: dict[str, str], body: bytes, said: str) -> None:
    found = verdict.of_answer(Answer(status=status, headers=headers, body=body, seconds=0), b"x")

    assert found is not None
    assert said in found.what


def test_a_log_with_an_error_or_a_secret_and_a_program_that_grows_are_found() -> None:
    assert verdict.of_line(log_line(logging.ERROR, "x"), ()) is not None
    assert verdict.of_line(log_line(logging.INFO, "a-secret"), ("a-secret",)) is not None
    assert verdict.of_line(log_line(logging.WARNING, "x"), ("a-secret",)) is None
    assert verdict.of_memory("gateway", 200 * 2**20, 400 * 2**20) is not None
    assert verdict.of_memory("gateway", 200 * 2**20, 220 * 2**20) is None
    assert verdict.of_second_half("gateway", 200 * 2**20, 220 * 2**20) is not None
    assert verdict.of_second_half("gateway", 200 * 2**20, 204 * 2**20) is None


def test_what_hangs_each_time_is_found_and_what_was_slow_once_is_not(place: Site) -> None:
    hangs = b"GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n"

    with _Server(("127.0.0.1", 0), _Dawdle) as slow:
        found = flood.hanging(Target(address=f"127.0.0.1:{slow.server_address[1]}", secrets=()), [hangs])

    assert [each.sent for each in found] == [hangs]
    assert flood.hanging(place.gateway, [flood.LEAST]) == []


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class _Server(socketserver.TCPServer):
    """Answers one connection after the other, on a thread of its own."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Dawdle(socketserver.BaseRequestHandler):
    """Takes longer for one path than anybody may be kept waiting."""

    def handle(self) -> None:
        if b"/hangs" in self.request.recv(1_000):
            time.sleep(4 * LONGEST_SECONDS)
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")


def log_line(level: int, event: str) -> str:
    """Return a line as our processes write it."""
    root = logging.getLogger()
    before, is_at = list(root.handlers), root.level
    logs.configure("INFO", "gateway")
    try:
        [handler] = root.handlers
        return handler.format(logging.LogRecord("fuzz", level, __file__, 1, event, None, None))
    finally:
        root.handlers[:] = before
        root.setLevel(is_at)
