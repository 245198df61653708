"""The reasons and the lints: the documents have the same table as the code, and every refusal has a reason."""

from pathlib import Path

import pytest

from services.directory import lints, reasons, refusal_rules
from services.directory.lints import Lint
from services.directory.reasons import Reason
from shared.scim import errors
from shared.scim.errors import SCIMError

DOCUMENT = (Path(__file__).parents[2] / "docs" / "why.md").read_text()
KINDS: list[type[SCIMError]] = [
    kind for kind in SCIMError.__subclasses__() if kind.__module__ == errors.__name__ and 400 <= kind.status < 500
]
# By the token it is told otherwise, and pages of a list are about nobody.
OTHERS = {
    *("UnauthorizedError", "ForbiddenError", "SensitiveError"),
    *("InvalidVersionError", "InvalidCursorError", "ExpiredCursorError", "InvalidCountError"),
}


def row(item: Reason | Lint) -> str:
    return f"| `{item.code}` | {item.words} | {item.entra} | {item.okta} |"


def test_the_document_has_all_reasons_and_lints_and_no_other() -> None:
    documented = [line for line in DOCUMENT.splitlines() if line.startswith("| `") and line.count("|") == 5]

    assert documented == [row(each) for each in (*reasons.ALL, *lints.ALL)]


def test_codes_are_unique() -> None:
    codes = [each.code for each in (*reasons.ALL, *lints.ALL)]

    assert len(codes) == len(set(codes))


def test_every_reason_of_the_module_is_in_its_table() -> None:
    assert {each for each in vars(reasons).values() if isinstance(each, Reason)} == set(reasons.ALL)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_refusal_has_a_reason_of_its_own(kind: type[SCIMError]) -> None:
    found = refusal_rules.of(kind.status, kind.scim_type, "a detail of another release", "User")

    assert (found is reasons.REFUSED) is (kind.__name__ in OTHERS)
