"""Keep what requests leave behind beside the journal, and write it down off their path: twice a second, together.

Nothing here waits for the database, and nothing grows without bound: of a flood of refusals a tenant has so many kept
in a second, and the rest is counted. What was not written down yet is lost when the process is killed.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

from services.directory import backoff, database, live, onboarding, reasons, refusals, traffic
from services.directory.flusher import Flusher
from services.directory.onboarding import Milestone, Sighting, Step
from services.directory.reasons import Reason
from services.directory.refusals import Owner, Refusal
from services.directory.traffic import Key, Kind, Result

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.4
KEPT_PER_SECOND = 2.0
KEPT_AT_ONCE = 100
"""Refusals of a tenant that are kept: so many in the long run, and so many in a burst."""

MOST_WAITING = 2_000
"""Refusals that wait to be written down; the oldest make room."""

STRANGERS_AT_ONCE = 50
"""Requests with a token that does not work, between two times of writing down: each may be somebody's old one."""

MOST_TENANTS = 10_000
MOST_SIGHTINGS = 5_000
_HOPELESS = (DataError, IntegrityError, ProgrammingError)
"""What the database says of a row that it will never take."""

_QUICKLY = text("SET LOCAL synchronous_commit TO off")


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A request with a token that was refused: whose the token is, is found out later."""

    digest: bytes
    refusal: Refusal
    """With an owner and a reason that are not known yet."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one request with a good token was, and what it says."""

    tenant_id: UUID
    token_id: UUID
    at: datetime
    request_id: str
    kind: Kind
    result: Result
    steps: Sequence[Step] = ()
    sightings: Iterable[tuple[str, str]] = ()
    """What, and about what (services/directory/onboarding.py)."""


_About = tuple[UUID, str, str]
"""A token, what was seen with it, and about what."""


@dataclass(slots=True)
class _Times:
    """How often something was seen, first and last."""

    times: int
    first: Seen
    last: Seen


@dataclass
class _Waiting:
    """What was noted since it was last written down."""

    counts: Counter[Key]
    sightings: dict[_About, _Times]
    milestones: list[Milestone]
    refusals: deque[Refusal]
    strangers: list[Stranger]
    tenants: set[UUID]

    @property
    def is_something(self) -> bool:
        return bool(self.tenants or self.strangers)


class Recorder(Flusher):
    """What the requests of this process left behind."""

    def __init__(self, engine: Engine) -> None:
        super().__init__("recorder", FLUSH_SECONDS)
        self._engine, self._lock = engine, threading.Lock()
        self._quotas: LRUCache[UUID, _Quota] = LRUCache(MOST_TENANTS)
        self._reached: LRUCache[tuple[UUID, Step], bool] = LRUCache(MOST_TENANTS)
        self._waiting = _nothing()

    def see(self, seen: Seen) -> None:
        """Note a request with a good token."""
        with self._lock:
            waiting = self._waiting
            waiting.tenants.add(seen.tenant_id)
            waiting.counts[_key(seen.tenant_id, seen.token_id, seen.at, seen.kind, seen.result)] += 1
            for step in seen.steps:
                if (seen.token_id, step) not in self._reached:
                    self._reached[seen.token_id, step] = True
                    waiting.milestones.append(
                        Milestone(
                            tenant_id=seen.tenant_id,
                            token_id=seen.token_id,
                            name=step,
                            at=seen.at,
                            request_id=seen.request_id,
                        )
                    )
            _sight(waiting.sightings, seen)

    def has_room(self, tenant_id: UUID) -> bool:
        """Whether one more refusal of a tenant is kept now; it is about to be noted then."""
        with self._lock:
            return self._quotas.setdefault(tenant_id, _Quota()).take(time.monotonic())

    def refuse(self, refusal: Refusal) -> None:
        """Note a refusal for which there is room."""
        with self._lock:
            self._waiting.tenants.add(refusal.tenant_id)
            self._waiting.refusals.append(refusal)

    def leave_out(self, tenant_id: UUID, token_id: UUID, at: datetime) -> None:
        """Count a refusal for which there is no room."""
        with self._lock:
            self._waiting.tenants.add(tenant_id)
            self._waiting.counts[_key(tenant_id, token_id, at, Kind.NOT_KEPT, Result.REFUSED)] += 1

    def meet(self, stranger: Stranger) -> None:
        """Note a request with a token that does not work, unless there are too many of those."""
        with self._lock:
            if len(self._waiting.strangers) < STRANGERS_AT_ONCE:
                self._waiting.strangers.append(stranger)

    def flush(self) -> None:
        """Write down what was noted; what the database will never take is given up."""
        with self._lock:
            waiting, self._waiting = self._waiting, _nothing()
        if not waiting.is_something:
            return
        try:
            with database.across(self._engine) as connection:
                self._write_down(connection, waiting)
        except _HOPELESS as error:
            # Without a traceback: the database may quote the row.
            logger.error("requests not recorded", extra={"fault": backoff.classify(error).name})  # noqa: TRY400
        except SQLAlchemyError as error:
            logger.warning("requests not recorded yet", extra={"fault": backoff.classify(error).name})
            self._put_back(waiting)
        except Exception:
            logger.exception("requests not recorded")

    def _write_down(self, connection: Connection, waiting: _Waiting) -> None:
        connection.execute(_QUICKLY)
        known = self._named(connection, waiting.strangers)
        kept = [each for each in known if self.has_room(each.tenant_id)]
        waiting.counts.update(_key_of(each, Kind.DENIED) for each in known)
        waiting.counts.update(_key_of(each, Kind.NOT_KEPT) for each in known if each not in kept)
        traffic.add(connection, waiting.counts)
        onboarding.reach(connection, waiting.milestones)
        onboarding.sight(connection, _sightings(waiting.sightings))
        refusals.keep(connection, [*waiting.refusals, *kept])
        live.notify(connection, waiting.tenants | {each.tenant_id for each in known})

    def _named(self, connection: Connection, strangers: Sequence[Stranger]) -> list[Refusal]:
        """Return the refusals of tokens that are somebody's, with whose they are and why they do not work."""
        owners = refusals.owners(connection, {each.digest for each in strangers}) if strangers else {}
        return [_named(each.refusal, owners[each.digest]) for each in strangers if each.digest in owners]

    def _put_back(self, waiting: _Waiting) -> None:
        with self._lock:
            later = self._waiting
            later.counts.update(waiting.counts)
            later.tenants |= waiting.tenants
            later.milestones += waiting.milestones
            later.strangers = (waiting.strangers + later.strangers)[:STRANGERS_AT_ONCE]
            later.refusals.extendleft(reversed(waiting.refusals))
            for key, times in waiting.sightings.items():
                later.sightings[key] = _sum(times, later.sightings.get(key))


class _Quota:
    """Lets so many through at once, and so many a second."""

    def __init__(self) -> None:
        self._left, self._at = float(KEPT_AT_ONCE), time.monotonic()

    def take(self, now: float) -> bool:
        self._left = min(KEPT_AT_ONCE, self._left + (now - self._at) * KEPT_PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _nothing() -> _Waiting:
    return _Waiting(
        counts=Counter(), sightings={}, milestones=[], refusals=deque(maxlen=MOST_WAITING), strangers=[], tenants=set()
    )


def _key(tenant_id: UUID, token_id: UUID, at: datetime, kind: Kind, result: Result) -> Key:
    minute = at.replace(second=0, microsecond=0)
    return Key(tenant_id=tenant_id, minute=minute, token_id=token_id, kind=kind, result=result)


def _key_of(refusal: Refusal, kind: Kind) -> Key:
    return _key(refusal.tenant_id, refusal.token_id, refusal.at, kind, Result.REFUSED)


def _sight(known: dict[_About, _Times], seen: Seen) -> None:
    """Note what a request says; each says a lot, so nothing is made anew that is there."""
    for what, about in seen.sightings:
        times = known.get((seen.token_id, what, about))
        if times is not None:
            times.times += 1
            times.last = seen
        elif len(known) < MOST_SIGHTINGS:
            known[seen.token_id, what, about] = _Times(times=1, first=seen, last=seen)


def _sum(before: _Times, after: _Times | None) -> _Times:
    return before if after is None else _Times(times=before.times + after.times, first=before.first, last=after.last)


def _sightings(known: dict[_About, _Times]) -> list[Sighting]:
    return [
        Sighting(
            tenant_id=times.last.tenant_id,
            token_id=token_id,
            what=what,
            about=about,
            times=times.times,
            first_at=times.first.at,
            last_at=times.last.at,
            request_id=times.last.request_id,
        )
        for (token_id, what, about), times in known.items()
    ]


def _named(refusal: Refusal, owner: Owner) -> Refusal:
    """Return a refusal with whom it was of, and why the token did not work."""
    return replace(refusal, tenant_id=owner.tenant_id, token_id=owner.token_id, reason=_reason(refusal, owner).code)


def _reason(refusal: Refusal, owner: Owner) -> Reason:
    if refusal.status == 403:
        return reasons.TOKEN_NETWORK
    if owner.revoked_at is not None:
        return reasons.TOKEN_REVOKED
    is_over = owner.expires_at is not None and owner.expires_at <= datetime.now(UTC)
    return reasons.TOKEN_EXPIRED if is_over else reasons.TOKEN_PORTAL
