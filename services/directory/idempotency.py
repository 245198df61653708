"""Keep the keys that clients gave their writes: for a day, a key stands for one write and its outcome.

A key is claimed in the transaction that accepts its write, before any lane is locked, so that two of these transactions
cannot deadlock. Keys are kept as digests: what a client puts into one is its own affair.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Connection, LargeBinary, Text, Uuid, bindparam, text

from services.directory.journal import Write

KEPT_HOURS = 24

_CLAIM = text("""
INSERT INTO idempotency_key (token_id, key, digest, operation_id, claimed_at)
SELECT token_id, key, digest, id, clock_timestamp()
FROM unnest(:token_id, :key, :digest, :id) AS i(token_id, key, digest, id)
ORDER BY token_id, key
ON CONFLICT DO NOTHING
RETURNING operation_id
""").bindparams(
    *(bindparam(name, type_=ARRAY(Uuid)) for name in ("token_id", "id")),
    *(bindparam(name, type_=ARRAY(LargeBinary)) for name in ("key", "digest")),
)
# A key may be claimed again when it is old, when its write was never applied, and by the replacement that a refused
# create became (docs/decisions/0014-rehire.md). Whoever claims it at the same time sees that it points elsewhere now.
_RECLAIM = text("""
WITH incoming AS (
  SELECT * FROM unnest(:token_id, :key, :digest, :id, :method) AS i(token_id, key, digest, id, method)
), free AS (
  SELECT k.token_id, k.key, k.operation_id, i.digest, i.id
  FROM incoming i JOIN idempotency_key k ON k.token_id = i.token_id AND k.key = i.key
  LEFT JOIN operation o ON o.id = k.operation_id
  WHERE k.operation_id = i.id OR k.claimed_at < clock_timestamp() - make_interval(hours => :hours)
     OR o.id IS NULL OR o.state = 'cancelled'
     OR (k.digest = i.digest AND o.method = 'POST' AND o.status = 409 AND i.method <> 'POST')
)
UPDATE idempotency_key k SET digest = f.digest, operation_id = f.id, claimed_at = clock_timestamp()
FROM free f WHERE k.token_id = f.token_id AND k.key = f.key AND k.operation_id = f.operation_id
RETURNING k.operation_id
""").bindparams(
    *(bindparam(name, type_=ARRAY(Uuid)) for name in ("token_id", "id")),
    *(bindparam(name, type_=ARRAY(LargeBinary)) for name in ("key", "digest")),
    bindparam("method", type_=ARRAY(Text)),
)
_FIND = text("""
SELECT k.operation_id, k.digest, o.shard FROM idempotency_key k JOIN operation o ON o.id = k.operation_id
WHERE k.token_id = :token_id AND k.key = :key
""")
_DROP = text("DELETE FROM idempotency_key WHERE claimed_at < clock_timestamp() - make_interval(hours => :hours)")


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a key stands for."""

    operation_id: UUID
    shard: int
    digest: bytes


def digest(key: str) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def claim(connection: Connection, writes: Iterable[Write]) -> set[UUID]:
    """Claim the keys of those writes that have one; return the ids of those whose keys stand for another write."""
    keyed = [write for write in writes if write.key is not None]
    if not keyed:
        return set()
    claimed = set(connection.scalars(_CLAIM, _parameters(keyed)))
    mine = {(write.token_id, write.key) for write in keyed if write.id in claimed}
    others = [write for write in keyed if (write.token_id, write.key) not in mine]
    if others:
        values = _parameters(others) | {"method": [write.method for write in others], "hours": KEPT_HOURS}
        claimed |= set(connection.scalars(_RECLAIM, values))
    return {write.id for write in keyed} - claimed


def find(connection: Connection, token_id: UUID, key: bytes) -> Claimed | None:
    """Return what a key of a token stands for; None when it stands for nothing in the journal."""
    row = connection.execute(_FIND, {"token_id": token_id, "key": key}).mappings().one_or_none()
    return None if row is None else Claimed(**row)


def drop_old(connection: Connection) -> int:
    """Drop the keys that stand for nothing any more; return how many they were."""
    return connection.execute(_DROP, {"hours": KEPT_HOURS}).rowcount


def _parameters(writes: Sequence[Write]) -> dict[str, object]:
    return {name: [getattr(write, name) for write in writes] for name in ("token_id", "key", "digest", "id")}
