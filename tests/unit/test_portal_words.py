"""What the portal makes of names, values and changes; and cells that no spreadsheet runs."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.directory.admin_passwords import PasswordError, check
from services.directory.history import Entry, Kind
from services.directory.permissions import INCLUDES, Permission, effective
from services.directory.portal import exporting, visits, words
from shared.scim.attributes import Attribute, ResourceType, Returned
from shared.scim.resource_types import USERS


def entry(*changes: dict[str, Any], kind: Kind = Kind.CHANGED) -> Entry:
    return Entry(
        at=datetime(2026, 1, 2, tzinfo=UTC),
        tenant_id=uuid4(),
        resource_type="User",
        resource_id=uuid4(),
        kind=kind,
        changes=list(changes),
        operation_id=uuid4(),
        token_id=uuid4(),
        request_id="r",
    )


def nobody(_: str) -> None:
    return None


def change(attribute: str, before: Any, after: Any) -> dict[str, Any]:
    return {"attribute": attribute, "from": before, "to": after}


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("title", "Title"),
        ("employeeNumber", "Employee number"),
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter", "Cost center"),
    ],
)
def test_names_are_written_as_people_write(name: str, label: str) -> None:
    assert words.label(name) == label


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "yes"),
        ([], ""),
        ({"value": "a@b", "type": "work", "primary": True}, "a@b (work, primary)"),
        ({"givenName": "Ada", "familyName": None}, "given name: Ada"),
        ([{"value": "a"}, {"value": "b"}], "a, b"),
    ],
)
def test_values_are_one_line(value: Any, text: str) -> None:
    assert words.value(value) == text


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ([change("active", before=True, after=False)], "Disabled"),
        ([change("active", before=False, after=True)], "Enabled"),
        ([change("title", "A", "B")], "Title changed"),
        ([change("title", "A", "B"), change("nickName", "A", "B")], "2 fields changed"),
        ([{"attribute": "groups", "added": [{"value": "1", "display": "Staff"}], "removed": []}], "Joined Staff"),
        ([{"attribute": "groups", "added": [], "removed": [{"value": "1", "display": "Staff"}]}], "Left Staff"),
    ],
)
def test_an_entry_has_a_title_in_plain_words(changes: list[dict[str, Any]], title: str) -> None:
    assert words.told(entry(*changes), USERS, nobody).title == title


def test_a_manager_is_named() -> None:
    name = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
    told = words.told(
        entry(change(name, {"value": "1"}, {"value": "2"})), USERS, lambda id_: "Ada" if id_ == "1" else None
    )

    assert (told.changes[0].before, told.changes[0].after) == ("Ada", "2")


def test_a_secret_of_the_past_is_not_shown_though_the_history_has_it() -> None:
    """An attribute may be declared a secret after its values were written down."""
    hidden = Attribute(name="badge", description="x", returned=Returned.NEVER)
    kind = ResourceType(
        name="User",
        endpoint="/Users",
        description="x",
        schema=type(USERS.schema)(id="urn:x", name="X", description="x", attributes=(hidden,)),
    )

    told = words.told(entry(change("badge", "s3cret", "s3cret2")), kind, nobody)

    assert "s3cret" not in str(told)


def test_an_attribute_that_is_declared_no_longer_has_no_values() -> None:
    told = words.told(entry(change("urn:gone:badge", "s3cret", "s3cret2")), USERS, nobody)

    assert told.changes[0].sentence == words.GONE
    assert "s3cret" not in str(told)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert exporting.harmless(cell) == "'" + cell


def test_other_cells_stay_as_they_are() -> None:
    assert exporting.harmless("Ada = Lovelace") == "Ada = Lovelace"


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaa", "password12345", "ada@example.com", "qwertyuiop123"])
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordError):
        check(password, ("ada@example.com", "acme"))


def test_four_words_are_a_password() -> None:
    check("kettle-anthem-orbit-wool", ("ada@example.com", "acme"))


@pytest.mark.parametrize(("path", "own"), [("/employees?q=1", "/employees?q=1"), ("//x", "/"), ("x", "/"), ("", "/")])
def test_only_own_paths_are_gone_on_to(path: str, own: str) -> None:
    assert visits.own_path(path) == own


def test_each_permission_includes_itself_and_what_is_unknown_permits_nothing() -> None:
    assert all(permission in INCLUDES[permission] for permission in Permission)
    assert effective(["of another release"]) == frozenset()
    assert effective([Permission.ADMIN]) == frozenset(Permission)


@pytest.mark.parametrize(
    ("length", "text"),
    [(timedelta(days=11, hours=5), "11 days"), (timedelta(hours=1), "1 hour"), (timedelta(0), "less than a minute")],
)
def test_a_length_of_time_is_told_in_its_largest_unit(length: timedelta, text: str) -> None:
    assert words.span(length) == text


def test_moments_in_a_sentence_are_the_viewers_and_all_else_is_text() -> None:
    shown = words.with_times("<b> at 2026-11-28 10:26 UTC, and 2026-11-28 10:26:20 UTC, not 2026-99-28 10:26 UTC")

    assert shown.startswith("&lt;b&gt; at <time ")
    assert shown.count("<time ") == 2
    assert 'datetime="2026-11-28T10:26:20' in shown
    assert shown.endswith("not 2026-99-28 10:26 UTC")
