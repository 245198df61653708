"""The page of cycles: when each identity provider came, what it did, when it is due, and how near a quarantine is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from flask import render_template
from sqlalchemy import Connection

from services.directory import clients, cycles, quarantine, tokens, traffic, why
from services.directory.cycles import Rhythm
from services.directory.permissions import Permission
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Route
from services.directory.quarantine import Forecast
from services.directory.tokens import Token

SHOWN = 12
WORKING = frozenset({"active", "replaced"})


@dataclass(frozen=True, kw_only=True)
class Line:
    """A connection: a client, or a token with those that it is the successor of."""

    name: str
    hint: str
    newest: UUID
    ids: Sequence[UUID]
    is_token: bool
    is_working: bool


@dataclass(frozen=True, kw_only=True)
class Course:
    """A connection with its cycles, and what the last one means."""

    line: Line
    rhythm: Rhythm
    forecast: Forecast

    @property
    def is_missed(self) -> bool:
        """Whether somebody should look why nothing comes any more."""
        return self.line.is_working and self.rhythm.is_late


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    yield Route(
        rule="/provisioning/cycles", endpoint="cycles", view=partial(_page, desk), needs=Permission.PROVISIONING
    )


def _page(desk: Desk) -> str:
    now = datetime.now(UTC)
    with desk.transaction() as connection:
        found = [_course(connection, line, now) for line in _lines(connection, now)]
        is_denied = why.is_denied(connection, me().tenant_id, now)
    courses = sorted((each for each in found if each.rhythm.cycles), key=lambda each: not each.line.is_working)
    silent = [each.line for each in found if not each.rhythm.cycles and each.line.is_working]
    denied = quarantine.forecast(None, is_denied=True) if is_denied else None
    return render_template("cycles.html", courses=courses, silent=silent, denied=denied, shown=SHOWN, now=now)


def _lines(connection: Connection, now: datetime) -> Iterator[Line]:
    every = tokens.every(connection, me().tenant)
    before: dict[UUID | None, Token] = {token.replaced_by: token for token in every if token.replaced_by}
    for token in every:
        if token.replaced_by is None:
            yield Line(
                name=token.name,
                hint=token.hint,
                newest=token.id,
                ids=_chain(token, before),
                is_token=True,
                is_working=token.state(now) in WORKING,
            )
    for client in clients.every(connection, me().tenant):
        yield Line(
            name=client.name,
            hint="",
            newest=client.id,
            ids=[client.id],
            is_token=False,
            is_working=client.revoked_at is None,
        )


def _chain(token: Token, before: dict[UUID | None, Token]) -> list[UUID]:
    """Return a token and those that it replaced, one after the other."""
    found = [token.id]
    while (earlier := before.get(found[-1])) is not None:
        found.append(earlier.id)
    return found


def _course(connection: Connection, line: Line, now: datetime) -> Course:
    since = now - cycles.LOOKED_AT
    minutes = [each for id_ in line.ids for each in traffic.minutes(connection, me().tenant_id, since, id_)]
    rhythm = cycles.rhythm(sorted(minutes, key=lambda each: each.minute), now)
    return Course(line=line, rhythm=rhythm, forecast=quarantine.forecast(rhythm.last, is_denied=False))
