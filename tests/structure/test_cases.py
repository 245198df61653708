"""The 55 cases that broke other servers: each one that concerns a server has a test which names its number.

A test of a case says so in its docstring: `Case 12. pingidentity/scim2#239`, `Cases 8 and 9. ...`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
CASES = range(1, 56)
_NAMED = re.compile(r"Cases? ([0-9]+(?:(?:, | and )[0-9]+)*)")

NOT_OF_A_SERVER: dict[int, str] = {}
"""Cases that no server can do anything about, and why. There is none left: even where the client is at fault (13, 14,
15, 36, 54) there is an answer that does the least harm, and a test that holds it."""


def test_every_case_has_a_test_that_names_it() -> None:
    named = {number for _, numbers in _named() for number in numbers}

    assert sorted(set(CASES) - named - NOT_OF_A_SERVER.keys()) == []
    assert sorted(named - set(CASES)) == []
    assert sorted(named & NOT_OF_A_SERVER.keys()) == []


def test_a_case_is_named_by_a_test_and_not_by_what_is_no_test() -> None:
    assert [name for name, _ in _named() if not name.startswith("test_")] == []


def _named() -> list[tuple[str, list[int]]]:
    """Return the functions whose docstrings begin with numbers of cases, and the numbers."""
    return [
        (function.name, [int(number) for number in re.findall("[0-9]+", found[1])])
        for function in _functions()
        if (found := _NAMED.match(ast.get_docstring(function) or ""))
    ]


def _functions() -> Iterator[ast.FunctionDef]:
    for path in sorted(TESTS.rglob("test_*.py")):
        yield from (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))
