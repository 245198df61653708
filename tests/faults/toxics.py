"""What can be wrong with a connection: the toxics of the proxy, as records that travel as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """What is done to a connection; most are toxiproxy's."""

    LATENCY = "latency"
    """Everything arrives `milliseconds` later, and up to `jitter` more."""
    PARTITION = "partition"
    """Nothing arrives until it is healed; then all of it does, as TCP sends again."""
    TIMEOUT = "timeout"
    """Nothing arrives, and after `milliseconds` the connection is closed."""
    RESET_PEER = "reset_peer"
    """After `milliseconds` both sides get a reset."""
    SLICER = "slicer"
    """Everything arrives in pieces of `size` bytes, `milliseconds` apart."""
    LIMIT_DATA = "limit_data"
    """After `size` bytes the connection is closed."""
    DOWN = "down"
    """Nobody listens, and all connections are reset."""


class Direction(StrEnum):
    """Which way the toxic works: to the server, or back to the client."""

    UP = "up"
    DOWN = "down"


BOTH = (Direction.UP, Direction.DOWN)


@dataclass(frozen=True, kw_only=True)
class Toxic:
    """One thing that is wrong with all connections through a proxy."""

    kind: Kind
    directions: tuple[Direction, ...] = BOTH
    milliseconds: float = 0
    jitter: float = 0
    size: int = 0

    def document(self) -> Mapping[str, Any]:
        """Return the toxic as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """Read a toxic from JSON."""
        read = cls(**{**document, "kind": Kind(document["kind"])})
        return replace(read, directions=tuple(Direction(name) for name in document["directions"]))
