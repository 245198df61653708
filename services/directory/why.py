"""Say why somebody was not provisioned, or was: one timeline, one reason, and what to change.

`explain` takes whatever somebody has at hand: a name, an e-mail address, a userName, an externalId, a group's name, the
id of a resource or of a request. It reads only what is the tenant's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from services.directory import cycles, reasons, seeking, timeline, traffic, why_journal
from services.directory.cycles import Rhythm
from services.directory.reasons import Reason
from services.directory.seeking import Subject
from services.directory.traffic import WRITES, Kind
from services.directory.why_events import Event
from shared.scim.schemas.enterprise import MANAGER

MOST_EVENTS = 100
UNREAD_FOR = timedelta(days=1)
"""What was refused unread in this time may have been about anybody."""

DENIED_FOR = timedelta(days=7)
MOST_UNREAD = 100
_DENIED = frozenset({reasons.TOKEN_REVOKED, reasons.TOKEN_EXPIRED, reasons.TOKEN_PORTAL, reasons.TOKEN_NETWORK})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is to be said about a text."""

    wanted: str
    subjects: Sequence[Subject]
    """What it means, the likeliest first; empty when the directory has nobody like that."""
    reason: Reason
    sentence: str
    """What happened, in one sentence, with its time."""
    decisive: Event | None
    """The event that decided, if one did."""
    events: Sequence[Event]
    """Every request and change that is known, the newest first."""
    perhaps: Sequence[Event]
    """What was refused before anybody knew whom it was about: it may have been about this."""
    rhythm: Rhythm

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return self.reason.is_good


def explain(connection: Connection, tenant_id: UUID, wanted: str, now: datetime, most: int = MOST_EVENTS) -> Answer:
    """Return why a tenant's person or group is as it is; `wanted` is what somebody knows of it."""
    wanted = wanted.strip()
    subjects = seeking.find(connection, tenant_id, wanted)
    of_request = why_journal.lanes_of_request(connection, tenant_id, wanted, seeking.MOST)
    subjects += [each for each in seeking.by_ids(connection, tenant_id, of_request) if each not in subjects]
    events = timeline.of(connection, tenant_id, wanted, subjects, most)
    others = {each.id for each in subjects[1:]}
    about = [each for each in events if each.resource_id not in others]
    unread = _unread(timeline.refused_since(connection, tenant_id, now - DENIED_FOR, MOST_UNREAD), events)
    rhythm = cycles.of(connection, tenant_id, now)
    decided = (
        _of_request(wanted, events)
        or _of_connection(connection, tenant_id, unread, about)
        or _of_events(about)
        or _of_subject(connection, tenant_id, subjects, about)
        or (reasons.NEVER_CAME if rhythm.cycles else reasons.NOTHING_CAME, None)
    )
    return Answer(
        wanted=wanted,
        subjects=subjects,
        reason=decided[0],
        sentence=_sentence(wanted, subjects, decided, rhythm),
        decisive=decided[1],
        events=events,
        perhaps=[each for each in unread if each.at >= now - UNREAD_FOR],
        rhythm=rhythm,
    )


def is_denied(connection: Connection, tenant_id: UUID, now: datetime) -> bool:
    """Whether the last that is known of a tenant's connection is that its token was refused."""
    refused = timeline.refused_since(connection, tenant_id, now - DENIED_FOR, MOST_UNREAD)
    denied = [each for each in refused if each.reason in _DENIED]
    return _of_connection(connection, tenant_id, denied, ()) is not None


_Decided = tuple[Reason, Event | None]


def _of_request(wanted: str, events: Sequence[Event]) -> _Decided | None:
    """Who asks for a request is told of it, whatever came later."""
    return next(((each.reason, each) for each in events if each.request_id == wanted), None)


def _of_connection(
    connection: Connection, tenant_id: UUID, unread: Sequence[Event], events: Sequence[Event]
) -> _Decided | None:
    """A token that does not work is the reason for all that came after the last thing that is known."""
    last = events[0].at if events else None
    for each in unread:
        if last is not None and each.at < last:
            return None
        kinds = set(Kind) if each.reason in _DENIED else WRITES
        if each.reason in _DENIED or each.reason is reasons.TOKEN_SCOPE:
            worked = traffic.last(connection, tenant_id, kinds)
            return None if worked is not None and worked > each.at else (each.reason, each)
    return None


def _of_events(events: Sequence[Event]) -> _Decided | None:
    """What is pending or went wrong last decides; what was given up does until an operator has decided about it."""
    pending = next((each for each in events if each.is_pending), None)
    if pending is not None:
        return pending.reason, pending
    newest = next((each for each in events if each.is_request), None)
    if newest is not None and newest.is_bad:
        return newest.reason, newest
    dead = next((each for each in events if each.reason is reasons.DEAD), None)
    return None if dead is None else (dead.reason, dead)


def _of_subject(
    connection: Connection, tenant_id: UUID, subjects: Sequence[Subject], events: Sequence[Event]
) -> _Decided | None:
    """Nothing went wrong: the directory holds what was sent, or held it."""
    if not subjects:
        return None
    subject = subjects[0]
    own = [each for each in events if each.resource_id == subject.id]
    if subject.deleted_at is not None:
        return reasons.DELETED, next((each for each in own if each.reason is reasons.DELETED), None)
    if not subject.is_active:
        return reasons.DEACTIVATED, next((each for each in own if each.reason is reasons.DEACTIVATED), None)
    if subject.manager is not None and not seeking.is_user(connection, tenant_id, subject.manager):
        return reasons.MANAGER_UNKNOWN, next((each for each in own if _names_manager(each)), None)
    return reasons.PROVISIONED, own[0] if own else None


def _names_manager(event: Event) -> bool:
    return any(MANAGER.name in line for line in event.said)


def _unread(refused: Sequence[Event], events: Sequence[Event]) -> list[Event]:
    """Return what was refused before anybody knew whom it was about."""
    known = {each.request_id for each in events}
    return [each for each in refused if _is_unread(each) and each.request_id not in known]


def _is_unread(event: Event) -> bool:
    """Whether it could be about anybody; what is throttled by its rate is told so before its body is read."""
    is_unread = event.reason in reasons.UNREAD or (event.reason is reasons.THROTTLED and not event.said)
    return is_unread and event.resource_id is None


def _sentence(wanted: str, subjects: Sequence[Subject], decided: _Decided, rhythm: Rhythm) -> str:
    reason, event = decided
    if reason is reasons.NEVER_CAME and rhythm.last is not None:
        return (
            f"No request about {wanted!r} has reached Muster, also not in the last cycle at "
            f"{rhythm.last.began:%Y-%m-%d %H:%M} UTC: check the assignment and the scope at the identity provider."
        )
    name = subjects[0].label if subjects else repr(wanted)
    when = "" if event is None else f" ({event.at:%Y-%m-%d %H:%M:%S} UTC, request {event.request_id})"
    return f"{name}: {reason.words}{when}"
