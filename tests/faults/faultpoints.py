"""Fault points at every statement of accept and drain: `MUSTER_FAULT=drain.before_commit:3`.

`point:count[:action]`: the third time that a drain is about to commit, the process is killed. A point is
`span.moment` (`accept.before_statement`, `drain.after_commit`) or `span.function`, the function of the directory that
sends the statement (`drain.journal.settle`); `*` stands for anything. Nothing of this is in the product: SQLAlchemy's
events are listened to only in a process that was armed.
"""

import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import Pool

VARIABLE = "MUSTER_FAULT"
SPANS = {
    "Drainer.advance": "drain",
    "Drainer.advance_together": "drain",
    "Accepter._commit": "accept",
    "Writer._last_word": "cancel",
}
"""What an operation is in the middle of, by the function that is running."""
OURS = "services.directory."
_COMMITTED = "fault point: committed"


class Moment(StrEnum):
    """When the point is reached."""

    BEFORE_STATEMENT = "before_statement"
    AFTER_STATEMENT = "after_statement"
    BEFORE_COMMIT = "before_commit"
    AFTER_COMMIT = "after_commit"


class Action(StrEnum):
    """What happens there."""

    KILL = "kill"
    RAISE = "raise"
    LOSE = "lose"
    """The connection to the database is closed."""
    HANG = "hang"
    """The process is stopped, until somebody lets it go on."""


class InjectedError(Exception):
    """A bug that is not there."""


@dataclass(frozen=True)
class Place:
    """Where a process is: in which span, at which moment, in which function of the directory."""

    span: str
    moment: Moment
    function: str

    def is_meant(self, point: str) -> bool:
        """Whether a point names this place."""
        names = [f"{self.span}.{self.moment}"]
        if self.moment is Moment.BEFORE_STATEMENT:
            names.append(f"{self.span}.{self.function}")
        return any(fnmatchcase(name, point) for name in names)


@dataclass(frozen=True, kw_only=True)
class Order:
    """At which point, the how many-th time, and what."""

    point: str
    count: int
    action: Action

    @classmethod
    def parse(cls, text: str) -> "Order":
        """Read `point:count[:action]`. Raises ValueError."""
        point, count, *rest = text.split(":")
        return cls(point=point, count=int(count), action=Action(rest[0]) if rest else Action.KILL)


Visit = Callable[[Place, Connection | None], None]


def arm(environ: Mapping[str, str]) -> None:
    """Carry out what the environment orders, in this process."""
    text = environ.get(VARIABLE)
    if text:
        watch(carrying_out(Order.parse(text)))


def carrying_out(order: Order) -> Visit:
    """Return a visit of places that carries an order out once."""
    reached = 0

    def visit(place: Place, connection: Connection | None) -> None:
        nonlocal reached
        if place.is_meant(order.point):
            reached += 1
            if reached == order.count:
                act(order.action, connection)

    return visit


def watch(visit: Visit) -> None:
    """Visit every place that accepts and drains of this process come to, from now on."""

    def before(connection: Connection, *_: Any) -> None:
        _visit(visit, Moment.BEFORE_STATEMENT, connection)

    def after(connection: Connection, *_: Any) -> None:
        _visit(visit, Moment.AFTER_STATEMENT, connection)
        driver = connection.connection.driver_connection
        if driver is not None and driver.autocommit:
            _visit(committed, Moment.AFTER_STATEMENT, connection)

    def committed(place: Place, connection: Connection | None) -> None:
        """Writes are accepted by one statement, which commits by itself; what a drain notes aside is no commit."""
        if place.span == "accept" and connection is not None:
            connection.info[_COMMITTED] = True

    def commit(connection: Connection) -> None:
        _visit(visit, Moment.BEFORE_COMMIT, connection)
        connection.info[_COMMITTED] = True

    def checkin(_: Any, record: Any) -> None:
        # There is no event after a commit; the next thing that happens is that the connection goes back to its pool.
        if record.info.pop(_COMMITTED, False):
            _visit(visit, Moment.AFTER_COMMIT, None)

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    event.listen(Engine, "commit", commit)
    event.listen(Pool, "checkin", checkin)


def act(action: Action, connection: Connection | None) -> None:
    """Do what is ordered, here and now."""
    match action:
        case Action.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        case Action.HANG:
            os.kill(os.getpid(), signal.SIGSTOP)
        case Action.RAISE:
            raise InjectedError
        case Action.LOSE:
            if connection is not None and connection.connection.driver_connection is not None:
                connection.connection.driver_connection.close()


def _visit(visit: Visit, moment: Moment, connection: Connection | None) -> None:
    """Find out where we are by who called us; what is neither accept nor drain is passed by."""
    frame, function = sys._getframe(2), ""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        name = frame.f_code.co_qualname
        if not function and module.startswith(OURS) and module != OURS + "database":
            function = f"{module.removeprefix(OURS)}.{name.rpartition('.')[2]}"
        if name in SPANS and module.startswith("services."):
            visit(Place(SPANS[name], moment, function), connection)
            return
        if frame.f_back is None:
            return
        frame = frame.f_back
