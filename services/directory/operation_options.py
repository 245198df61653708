"""The options by which the commands choose operations."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from uuid import UUID

import click

from services.directory.operations import Wanted

_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Moment(click.ParamType[datetime]):
    """How long ago, or a date with or without a time; without a zone it is this machine's own."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        ago = _AGO.fullmatch(value)
        try:
            if ago is not None:
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return datetime.fromisoformat(value).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment: write 30m, 2h, 7d, or 2026-05-04T13:00", param, ctx)


_OPTIONS = (
    click.option("--tenant", metavar="NAME", help="Only this tenant's."),
    click.option("--request", "request_id", metavar="ID", help="Only those of this request, by its X-Request-ID."),
    click.option("--resource", "resource_id", type=click.UUID, metavar="ID", help="Only this user's or group's."),
    click.option(
        "--method",
        type=click.Choice(["POST", "PUT", "PATCH", "DELETE", "MOVE"], case_sensitive=False),
        help="Only those of this method.",
    ),
    click.option("--error", metavar="TEXT", help="Only those with this text in an error: its name, place or detail."),
    click.option("--since", type=_Moment(), metavar="WHEN", help="Accepted since then: 30m, 2h, 7d, or a date."),
    click.option("--until", type=_Moment(), metavar="WHEN", help="Accepted before then, written likewise."),
)


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose operations; it gets them together, as `wanted`."""

    @wraps(command)
    def with_wanted(
        *,
        tenant: str | None,
        request_id: str | None,
        resource_id: UUID | None,
        method: str | None,
        error: str | None,
        since: datetime | None,
        until: datetime | None,
        **others: Any,
    ) -> None:
        wanted = Wanted(
            tenant=tenant,
            request_id=request_id,
            resource_id=resource_id,
            method=method,
            error=error,
            since=since,
            until=until,
        )
        command(wanted=wanted, **others)

    decorated: Callable[..., None] = with_wanted
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
