"""Count what happens in this process; `services/directory/counters.py` adds it up over all processes.

A counter is declared once, here, so that the page of metrics and the documents can name them all.
"""

import threading
from collections import Counter as Sums
from collections.abc import Mapping
from dataclasses import dataclass

Counts = Mapping[tuple[str, str], int]
"""How often something happened, by a counter's name and the value of its label ("" without one)."""


@dataclass(frozen=True, kw_only=True)
class Counter:
    """Something that is counted, perhaps by the value of a label; values are few, and never a client's text."""

    name: str
    doc: str
    label: str = ""


ACCEPTED = Counter(name="writes_accepted", doc="Writes that were committed to the journal.")
SETTLED = Counter(name="operations_settled", doc="Operations that got their outcome, by status class.", label="status")
POSTPONED = Counter(name="operations_postponed", doc="Starts that failed, of operations that are tried again.")
DEAD = Counter(name="operations_dead", doc="Operations that were given up.")
UNFINISHED = Counter(name="runs_unfinished", doc="Runs whose process died or lost its connection in the middle.")
ANSWERED = Counter(
    name="writes_answered",
    doc="Writes by the rung of the ladder that answered them; a look means that the message was lost or late.",
    label="rung",
)
LATE = Counter(name="replies_late", doc="Outcomes that came when nobody waited for them any more.")
FORGED = Counter(
    name="replies_refused", doc="Messages on the reply channel that are not ours, by what is wrong.", label="fault"
)
CHANNEL_LOST = Counter(name="reply_channel_lost", doc="Connections for outcomes that were lost or did not answer.")
UNPUBLISHED = Counter(name="replies_unpublished", doc="Batches of outcomes that could not be published.")
WAKE_FAILED = Counter(name="wakes_failed", doc="Wakes that could not be sent.")
WAKE_UNKNOWN = Counter(name="wakes_refused", doc="Wakes that name nothing that can be a shard.")
MESSAGE_UNKNOWN = Counter(
    name="messages_refused", doc="Messages in the queue that are no tasks of ours, by what is wrong.", label="fault"
)
REFUSED = Counter(name="writes_refused", doc="Writes that were told 429, since their tenant's backlog was too long.")
LIMITED = Counter(
    name="requests_limited", doc="Requests that were told 429, 413 or 431, by the limit that they hit.", label="limit"
)
UNSHARED = Counter(name="limits_unshared", doc="Times that counts could not be shared with the other gateways.")
ISSUED = Counter(name="access_tokens_issued", doc="Access tokens that clients were given.")
NOT_ISSUED = Counter(
    name="access_tokens_refused", doc="Requests for access tokens that were refused, by the error.", label="error"
)
KEYS_READ = Counter(
    name="issuer_keys_read", doc="Times that the keys of another issuer were fetched, by how it ended.", label="end"
)
SWEPT = Counter(name="shards_swept", doc="Shards with work that nobody had been woken for.")

EVERY = (
    ACCEPTED,
    SETTLED,
    POSTPONED,
    DEAD,
    UNFINISHED,
    ANSWERED,
    LATE,
    FORGED,
    CHANNEL_LOST,
    UNPUBLISHED,
    WAKE_FAILED,
    WAKE_UNKNOWN,
    MESSAGE_UNKNOWN,
    REFUSED,
    LIMITED,
    UNSHARED,
    ISSUED,
    NOT_ISSUED,
    KEYS_READ,
    SWEPT,
)


class Book:
    """The sums of a process since they were last taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: Sums[tuple[str, str]] = Sums()

    def count(self, counter: Counter, value: str = "", times: int = 1) -> None:
        """Count something once, or so many times."""
        if times:
            with self._lock:
                self._sums[counter.name, value] += times

    def take(self) -> Counts:
        """Return the sums, and begin anew."""
        with self._lock:
            sums, self._sums = self._sums, Sums()
        return sums

    def give_back(self, counts: Counts) -> None:
        """Add sums that were taken and could not be written down."""
        with self._lock:
            self._sums.update(counts)

    def forget(self) -> None:
        """Begin anew in a forked process: what was counted is its parent's, and so is whoever held the lock."""
        self._lock, self._sums = threading.Lock(), Sums()


BOOK = Book()
count = BOOK.count
