"""Fault points strike where they are told to, and are nowhere in the product."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, select

from services.directory import database, tables
from services.stack.supervisor import Stack
from tests import conftest, stacks
from tests.factories import Client, person
from tests.faults import armed, faultpoints
from tests.faults.faultpoints import Action, Moment, Order, Place

ROOT = Path(__file__).parents[2]


@pytest.fixture
def armed_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose gateway dies between its first commit of an accept and the answer."""
    ordered = {**armed.ENVIRONMENT, "MUSTER_FAULT": "accept.after_commit:1", "PYTHONPATH": str(ROOT)}
    environ = conftest.environment() | ordered
    with stacks.lean(tmp_path_factory.mktemp("armed"), environ) as running:
        yield running


@pytest.fixture
def armed_engine(armed_stack: Stack) -> Iterator[Engine]:
    pool = database.connect(armed_stack.settings.database_url, process="test")
    yield pool
    pool.dispose()


def test_an_order_names_point_count_and_action() -> None:
    assert Order.parse("drain.before_commit:3") == Order(point="drain.before_commit", count=3, action=Action.KILL)
    assert Order.parse("accept.*:1:hang") == Order(point="accept.*", count=1, action=Action.HANG)


@pytest.mark.parametrize(
    ("point", "is_meant"),
    [
        ("drain.before_statement", True),
        ("drain.journal.settle", True),
        ("drain.*", True),
        ("*", True),
        ("accept.before_statement", False),
        ("drain.after_statement", False),
        ("drain.journal.batch", False),
    ],
)
def test_a_point_means_moments_and_functions(point: str, *, is_meant: bool) -> None:
    assert Place("drain", Moment.BEFORE_STATEMENT, "journal.settle").is_meant(point) is is_meant


def test_an_order_is_carried_out_once() -> None:
    visit = faultpoints.carrying_out(Order(point="drain.*", count=2, action=Action.RAISE))
    place = Place("drain", Moment.BEFORE_COMMIT, "")

    visit(place, None)
    with pytest.raises(faultpoints.InjectedError):
        visit(place, None)
    visit(place, None)

    assert place.is_meant("drain.before_commit")


def test_the_product_knows_nothing_of_fault_points() -> None:
    sources = [path for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py")]

    assert [path for path in sources if "fault_point" in (text := path.read_text()) or "MUSTER_FAULT" in text] == []


def test_a_write_whose_gateway_dies_between_commit_and_reply_is_applied(
    armed_stack: Stack, armed_engine: Engine
) -> None:
    tenant = conftest.make_tenant(armed_engine)
    with Client(armed_stack.settings.public_url, tenant) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/Users", json=person(userName="survivor@example.com"), headers={"X-Request-ID": "lost"})
        found: list[str] = []
        while not found:
            with database.transaction(armed_engine) as connection:
                own = tables.operation.c.request_id == "lost"
                states = connection.scalars(select(tables.operation.c.state).where(own))
                found = [state for state in states if state != "pending"]

    assert found == ["settled"]
