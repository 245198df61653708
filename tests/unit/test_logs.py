"""Log lines say where an error came from, and nothing of what it was about."""

import io
import json
import logging
import sys

import pytest

from shared import logs

SECRET = "a-secret-value"


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    logs.configure("INFO", "test")
    return written


def test_a_line_is_json_with_its_ids(output: io.StringIO) -> None:
    with logs.bind(request_id="r1"):
        logging.getLogger("muster.test").info("something happened", extra={"operation_id": "o1"})

    line = json.loads(output.getvalue())
    assert (line["event"], line["level"], line["process"]) == ("something happened", "INFO", "test")
    assert (line["request_id"], line["operation_id"]) == ("r1", "o1")


def test_ids_are_gone_after_their_block(output: io.StringIO) -> None:
    with logs.bind(request_id="r1"):
        pass
    logging.getLogger("muster.test").info("something happened")

    assert "request_id" not in json.loads(output.getvalue())


def test_an_exception_is_told_without_its_text(output: io.StringIO) -> None:
    nothing: dict[str, str] = {}

    def fail() -> None:
        try:
            nothing.pop(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error

    try:
        fail()
    except ValueError:
        logging.getLogger("muster.test").exception("it failed")

    line = json.loads(output.getvalue())
    assert "builtins.ValueError" in line["exc_info"]
    assert "builtins.KeyError" in line["exc_info"]
    assert "in fail" in line["exc_info"]
    assert SECRET not in output.getvalue()
