"""Recognise a write that is sent again, and answer it with the outcome that its client never heard of.

Without a key: an identical write within a day whose reply was lost is taken over, if it succeeded or still may, and
nothing came after it in its lane. Whatever else is sent again is a new write. A refusal waits until it is known whether
the reply to an identical write was lost. With a key its first write is answered again, whatever became of the reply.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.directory import database, idempotency, presence, unanswered
from services.directory.journal import Write
from services.directory.unanswered import Unanswered
from services.gateway.accepting import RepeatedError
from services.gateway.answering import Answer, Answers
from services.gateway.writing import unavailable
from shared.outcomes import Outcome
from shared.scim import idempotency_keys
from shared.scim.errors import KeyReusedError

logger = logging.getLogger(__name__)

DOUBT_SECONDS = 1.0
"""A refusal waits no longer than this for what becomes of the reply to an identical write."""

PAUSE_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Taken:
    """An operation that stands for a write, and its outcome; None when it is pending and nobody waits any longer."""

    operation_id: UUID
    outcome: Outcome | None

    @property
    def is_refused(self) -> bool:
        """Whether it ended in an error."""
        return self.outcome is not None and self.outcome.detail is not None


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a request takes a write through the journal, and how it follows an operation that is in there."""

    take: Callable[[Write], Outcome | None]
    follow: Callable[[UUID, int], Outcome | None]


def recognisable(write: Write, key_header: str | None, *, is_async: bool) -> Write:
    """Return a write with what it is recognised by when it is sent again. Raises InvalidValueError for a bad key."""
    key = idempotency_keys.parse(key_header)
    return replace(
        write,
        digest=unanswered.digest(write, is_async=is_async),
        key=None if key is None else idempotency.digest(key),
    )


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """What it takes to recognise a write."""

    engine: Engine
    answers: Answers

    def take(self, write: Write, answer: Answer, way: Way) -> Taken:
        """Take a write through, or return what an earlier one ended in that it repeats.

        Raises KeyReusedError, and what the way raises.
        """
        if write.key is not None:
            return self._keyed(write, write.key, way)
        self.answers.begin(answer, write.id)
        try:
            taken = Taken(operation_id=write.id, outcome=way.take(write))
        except RepeatedError:
            found = self._lost(write, answer, way, patience=0)
            if found is not None:
                return found
            taken = Taken(operation_id=write.id, outcome=way.take(replace(write, is_new=True)))
        if taken.is_refused:
            return self._lost(write, answer, way, patience=DOUBT_SECONDS) or taken
        return taken

    def _keyed(self, write: Write, key: bytes, way: Way) -> Taken:
        """Take a write through whose key is new; return what the key's first write ended in otherwise."""
        try:
            return Taken(operation_id=write.id, outcome=way.take(write))
        except RepeatedError:
            with database.transaction(self.engine, write.tenant_id) as connection:
                claimed = idempotency.find(connection, write.token_id, key)
        if claimed is None:
            raise unavailable()
        if claimed.digest != write.digest:
            raise KeyReusedError("This Idempotency-Key was sent with another request; give each request its own")
        return _follow(write, way, claimed.operation_id, claimed.shard)

    def _lost(self, write: Write, answer: Answer, way: Way, patience: float) -> Taken | None:
        """Return the success of an identical write whose reply was lost.

        While the reply to one may still arrive, wait for so long to see.
        """
        until = time.monotonic() + patience
        while True:
            found, is_awaited = self._look(write, answer)
            if found is not None:
                taken = _follow(write, way, found.operation_id, found.shard)
                if not taken.is_refused:
                    return taken
            elif not is_awaited or time.monotonic() >= until:
                return None
            else:
                time.sleep(PAUSE_SECONDS)

    def _look(self, write: Write, answer: Answer) -> tuple[Unanswered | None, bool]:
        """Take over an identical write whose reply was lost; tell besides whether another one is being answered."""
        assert write.digest is not None, "what may be repeated has a digest"
        is_awaited = False
        with database.transaction(self.engine, write.tenant_id) as connection:
            for found in unanswered.find(connection, write.digest, but=answer.operations):
                if self.answers.is_told(found.operation_id):
                    continue
                if self._is_being_answered(connection, found):
                    is_awaited = True
                elif not found.can_be_told:
                    unanswered.remove(connection, [found.operation_id])
                elif self._take_over(connection, found, answer):
                    return found, False
        return None, is_awaited

    def _is_being_answered(self, connection: Connection, found: Unanswered) -> bool:
        if found.answering == self.answers.number:
            return self.answers.is_open(found.operation_id)
        if found.answering is None or found.is_overdue:
            return False
        return presence.is_there(connection, found.answering)

    def _take_over(self, connection: Connection, found: Unanswered, answer: Answer) -> bool:
        if not self.answers.begin(answer, found.operation_id):
            return False
        if unanswered.take_over(connection, found, self.answers.number):
            return True
        self.answers.withdraw(answer, found.operation_id)
        return False


def _follow(write: Write, way: Way, operation_id: UUID, shard: int) -> Taken:
    """Return what an earlier operation ended in, as the answer to this write."""
    logger.info("repeated write", extra={"operation_id": str(operation_id), "instead_of": str(write.id)})
    outcome = way.follow(operation_id, shard)
    if outcome is not None and write.method == "POST" and outcome.status == HTTPStatus.OK:
        # It was a leaver's, who was taken back by a PUT (docs/decisions/0014-rehire.md).
        outcome = replace(outcome, status=HTTPStatus.CREATED)
    return Taken(operation_id=operation_id, outcome=outcome)
