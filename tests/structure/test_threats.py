"""The threat model covers each arrow with each kind of threat, and the tests that it names exist."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
THREATS = (ROOT / "docs" / "threats.md").read_text()
ARROWS = re.split(r"^## ", THREATS, flags=re.MULTILINE)[1:]
KINDS = set("STRIDE")

_TEST = re.compile(r"`(tests/[\w/.-]+)::(\w+)`")
_ROW = re.compile(r"^\| ([STRIDE]) \|(.*)\|$", re.MULTILINE)
_PINNED = re.compile(r"^[a-z0-9._-]+==", re.MULTILINE | re.IGNORECASE)

every_arrow = pytest.mark.parametrize("arrow", ARROWS, ids=lambda text: text.partition("\n")[0])


@every_arrow
def test_every_arrow_has_every_kind_of_threat(arrow: str) -> None:
    assert {kind for kind, _ in _ROW.findall(arrow)} == KINDS


@every_arrow
def test_every_threat_has_a_test_or_is_said_to_be_open(arrow: str) -> None:
    assert [row for _, row in _ROW.findall(arrow) if not _TEST.search(row) and "*open*" not in row] == []


@every_arrow
def test_every_test_that_is_named_exists(arrow: str) -> None:
    named = _TEST.findall(arrow)

    assert [f"{path}::{name}" for path, name in named if name not in _functions(ROOT / path)] == []
    assert named != []


def test_the_arrows_are_those_of_the_picture() -> None:
    drawn = {int(number) for number in re.findall(r"\|(\d+)\|", THREATS)}

    assert [int(arrow.partition(".")[0]) for arrow in ARROWS] == sorted(drawn)


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt", "conformance.txt"])
def test_everything_that_is_installed_is_locked_with_a_hash(name: str) -> None:
    locked = (ROOT / "requirements" / name).read_text().replace("\\\n", " ")
    lines = [line for line in locked.splitlines() if line.strip()]

    assert [line for line in lines if not _PINNED.match(line) or "--hash=sha256:" not in line] == []
    assert "--require-hashes" in (ROOT / "Dockerfile").read_text()
    assert "--require-hashes" in (ROOT / "Makefile").read_text()


def test_the_linter_has_its_security_rules() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    assert "S" in lint["select"]
    assert {rule for rule in lint["ignore"] if rule.startswith("S")} == {"S101"}


@cache
def _functions(path: Path) -> set[str]:
    """Return the tests of a file: its functions, or those of a shell script."""
    if not path.exists():
        return set()
    text = path.read_text()
    if path.suffix != ".py":
        return set(re.findall(r"^(\w+)\(\) *\{", text, re.MULTILINE))
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
