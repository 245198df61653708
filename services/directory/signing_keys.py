"""Keep the ring of signing keys: a new key is published before it signs, an old one until all that it signed has ended.

One ring signs access tokens and security events. The private halves never leave the directory.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from joserfc.jwk import ECKey
from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.directory import database, keys, tables

ALGORITHM = "ES256"
FIRST = "events"
"""The name of the shared key that becomes the first of the ring: releases before the ring sign with it."""

AHEAD = timedelta(minutes=10)
"""A key is published for so long before it signs: twice what others may keep the published keys for."""

LONGEST_TOKEN = timedelta(days=1)
KEPT = LONGEST_TOKEN + timedelta(minutes=5)
"""A key verifies for so long after it signed last: the longest time of a token, and what clocks may differ by."""

PAUSE_SECONDS = 0.05
_LOCK = 0x6B657973


class SigningKeyError(ValueError):
    """A key cannot be changed; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of the ring; `ends_at` is set when another one takes its place, or when it was revoked."""

    kid: str
    value: bytes
    created_at: datetime
    signs_from: datetime
    ends_at: datetime | None

    def imported(self) -> ECKey:
        """Return the key itself, with its private half."""
        return ECKey.import_key(orjson.loads(self.value))


def signer(connection: Connection) -> ECKey:
    """Return the key that signs now; the first one is made when it is first needed."""
    table = tables.signing_key
    begun = table.c.signs_from <= func.clock_timestamp()
    statement = select(table.c.value).where(begun, _is_published()).order_by(table.c.created_at.desc()).limit(1)
    found: bytes | None = connection.scalar(statement)
    if found is None:
        _insert_first(connection)
        found = connection.scalars(statement).one()
    return ECKey.import_key(orjson.loads(found))


def published(connection: Connection) -> Sequence[Key]:
    """Return all keys that verify something, or will soon."""
    table = tables.signing_key
    rows = connection.execute(select(table).where(_is_published()).order_by(table.c.signs_from)).mappings()
    return [Key(**row) for row in rows]


def rotate(connection: Connection, ahead: timedelta = AHEAD) -> Key:
    """Make a key that signs from a while on, and let all others end a while after that."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    signer(connection)
    table, made = tables.signing_key, _make()
    signs_from = connection.scalars(select(func.clock_timestamp())).one() + ahead
    connection.execute(update(table).where(table.c.ends_at.is_(None)).values(ends_at=signs_from + KEPT))
    values = {"kid": made.kid, "value": _dumped(made), "created_at": func.clock_timestamp(), "signs_from": signs_from}
    return Key(**connection.execute(insert(table).values(values).returning(table)).mappings().one())


def revoke(connection: Connection, kid: str) -> None:
    """End a key at once, with all that it signed; if it is the one that signs, another one takes its place.

    Raises SigningKeyError when there is none.
    """
    table = tables.signing_key
    rotate(connection, timedelta())
    ended = update(table).where(table.c.kid == kid, _is_published()).values(ends_at=func.clock_timestamp())
    if connection.execute(ended).rowcount != 1:
        raise SigningKeyError("There is no such key, or it has ended (see: muster keys list)")


def maintain(connection: Connection, longest: timedelta) -> list[str]:
    """Make a new key when the newest one is too old, and drop those that have ended; return the ids of the new ones."""
    table = tables.signing_key
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    newest: datetime | None = connection.scalar(select(func.max(table.c.signs_from)))
    made = []
    if newest is not None and newest < datetime.now(UTC) - longest:
        made.append(rotate(connection).kid)
    dropped = delete(table).where(table.c.ends_at < func.clock_timestamp()).returning(table.c.value)
    values = connection.scalars(dropped).all()
    first = tables.shared_key
    connection.execute(delete(first).where(first.c.name == FIRST, first.c.value.in_(values)))
    return made


class Ring:
    """The published keys as one process knows them; it looks again when they are too old, or for one it misses."""

    def __init__(self, engine: Engine, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._seconds, self._clock = engine, seconds, clock
        self._lock = threading.Lock()
        self._keys: dict[str, ECKey] = {}
        self._read_at = -float("inf")

    def find(self, kid: str) -> ECKey | None:
        """Return a published key, or None when there is none of this id; what was revoked is found for seconds."""
        asked = self._clock()
        if asked - self._read_at > self._seconds or kid not in self._keys:
            self._read(kid, asked)
        return self._keys.get(kid)

    def knows(self, kid: str) -> bool:
        """Whether a key was among the published ones when they were last looked at."""
        return kid in self._keys

    def _read(self, kid: str, asked: float) -> None:
        """Look at what is published now: once for all who wait, and with a pause, for a made-up id costs nothing."""
        if kid not in self._keys:
            time.sleep(max(0.0, self._read_at + PAUSE_SECONDS - self._clock()))
        with self._lock:
            if self._read_at >= asked:
                return
            begun = self._clock()
            with database.transaction(self._engine) as connection:
                found = published(connection)
            same = self._keys
            self._keys = {key.kid: same.get(key.kid) or key.imported() for key in found}
            self._read_at = begun


def _is_published() -> Any:
    ends_at = tables.signing_key.c.ends_at
    return or_(ends_at.is_(None), ends_at > func.clock_timestamp())


def _insert_first(connection: Connection) -> None:
    """Make a ring of the key that releases before the ring sign with; nothing happens when there is a ring."""
    value = keys.shared(connection, FIRST, lambda: _dumped(_make()))
    values = {"kid": orjson.loads(value)["kid"], "value": value, "signs_from": func.clock_timestamp()}
    connection.execute(upsert(tables.signing_key).values(values).on_conflict_do_nothing())


def _make() -> ECKey:
    """Make a key; its `kid` is its thumbprint (RFC 7638)."""
    return ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)


def _dumped(key: ECKey) -> bytes:
    return orjson.dumps(key.as_dict(private=True))
