"""Keep the partitions of journal, history and refusals: a week each, made ahead, dropped as a whole when old."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from services.directory import ids
from shared.settings import Settings

logger = logging.getLogger(__name__)

WEEK = timedelta(days=7)
WEEKS_AHEAD = 4
_FIRST_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
_LOCK = 0x70617274


@dataclass(frozen=True, kw_only=True)
class _Parent:
    """A partitioned table, and how a moment is written as a bound of its key."""

    table: str
    bound: Callable[[datetime], str]


_PARENTS = (
    _Parent(table="operation", bound=lambda moment: str(ids.first_at(moment))),
    *(_Parent(table=name, bound=lambda moment: moment.isoformat()) for name in ("history", "refused", "traffic")),
)


def maintain(connection: Connection, now: datetime, *, keep: Mapping[str, int]) -> list[str]:
    """Make the partitions of this week and the next ones, drop those that are too old; return the dropped ones.

    `keep` names the tables, and for how many days their rows are kept.
    A partition with operations that are still pending stays.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    for parent in _PARENTS:
        for week in _weeks(now):
            _create(connection, parent, week)
    return [name for table, days in keep.items() for name in _drop(connection, table, now - timedelta(days=days))]


def kept(settings: Settings) -> dict[str, int]:
    """Return for how many days the rows of each table are kept."""
    return {
        "operation": settings.journal_days,
        "history": settings.history_days,
        "refused": settings.refused_days,
        "traffic": settings.refused_days,
    }


def missing(connection: Connection, now: datetime) -> list[str]:
    """Return the partitions of this week and the next one that are not there."""
    wanted = [_name(parent.table, week) for parent in _PARENTS for week in list(_weeks(now))[1:3]]
    there = text("SELECT to_regclass(:name) IS NOT NULL")
    return [name for name in wanted if not connection.scalar(there, {"name": name})]


def is_there(connection: Connection, table: str, moment: datetime) -> bool:
    """Whether the partition of a moment is there: it may have been dropped as too old."""
    name = _name(table, _week(moment))
    return connection.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name}) is True


def _weeks(now: datetime) -> Iterator[datetime]:
    return (_week(now) + i * WEEK for i in range(-1, WEEKS_AHEAD + 1))


def _week(moment: datetime) -> datetime:
    """Return the beginning of the week of a moment."""
    return _FIRST_MONDAY + (moment - _FIRST_MONDAY) // WEEK * WEEK


def _create(connection: Connection, parent: _Parent, week: datetime) -> None:
    bounds = {"low": parent.bound(week), "high": parent.bound(week + WEEK)}
    connection.execute(
        text("SELECT muster_make_partition(:table, :week, :low, :high)"),
        {"table": parent.table, "week": f"{week:%Y%m%d}", **bounds},
    )


def _drop(connection: Connection, table: str, horizon: datetime) -> list[str]:
    statement = text(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = cast(:table AS regclass) ORDER BY 1"
    )
    dropped = []
    for name in connection.scalars(statement, {"table": table}):
        day = name.removeprefix(f"{table}_")
        if day.isdigit() and datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC) + WEEK <= horizon:
            if table == "operation" and _has_pending(connection, day):
                logger.warning("old partition has pending operations", extra={"partition": name})
                continue
            connection.execute(text("SELECT muster_drop_partition(:table, :day)"), {"table": table, "day": day})
            logger.info("partition dropped", extra={"partition": name})
            dropped.append(name)
    return dropped


def _has_pending(connection: Connection, day: str) -> bool:
    """Whether a week's operations have not all ended; asked of the journal, for partitions are for nobody to read."""
    week = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    statement = text("SELECT EXISTS (SELECT FROM operation WHERE state = 'pending' AND id >= :low AND id < :high)")
    between = {"low": ids.first_at(week), "high": ids.first_at(week + WEEK)}
    return connection.scalar(statement, between) is True


def _name(table: str, week: datetime) -> str:
    return f"{table}_{week:%Y%m%d}"
