"""Know which operations this process is about to answer, and write down off the requests' path what became of it.

An answer was told when its last byte was handed to the socket of a client who had not hung up. What could not be told
stays among the unanswered operations, for the client to ask for again.
"""

import logging
import threading
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, unanswered

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
RETRY_SECONDS = 1.0


@dataclass
class Answer:
    """One answer to one request, with the operations whose outcome it tells."""

    operations: list[UUID] = field(default_factory=list)


class Answers(threading.Thread):
    """All answers of this process that are on their way; `number` is how the others know the process."""

    def __init__(self, engine: Engine, number: int) -> None:
        super().__init__(name="answers", daemon=True)
        self.number = number
        self._engine = engine
        self._lock = threading.Lock()
        self._open: set[UUID] = set()
        self._told: set[UUID] = set()
        self._lost: set[UUID] = set()
        self._ended, self._stopped = threading.Event(), threading.Event()

    def begin(self, answer: Answer, operation_id: UUID) -> bool:
        """Note that an answer is to tell an operation's outcome, before others can ask; False when another one is."""
        with self._lock:
            if operation_id in self._open or operation_id in self._told:
                return False
            self._open.add(operation_id)
            self._lost.discard(operation_id)
        answer.operations.append(operation_id)
        return True

    def withdraw(self, answer: Answer, operation_id: UUID) -> None:
        """Note that an answer is not to tell this outcome after all."""
        answer.operations.remove(operation_id)
        with self._lock:
            self._open.discard(operation_id)

    def end(self, answer: Answer, *, is_told: bool) -> None:
        """Note that an answer was told, or that its client could not be told."""
        if not answer.operations:
            return
        with self._lock:
            self._open.difference_update(answer.operations)
            (self._told if is_told else self._lost).update(answer.operations)
        self._ended.set()
        if not is_told:
            logger.warning("reply lost", extra={"operations": [str(each) for each in answer.operations]})

    def is_open(self, operation_id: UUID) -> bool:
        """Whether this process is about to tell an outcome."""
        return operation_id in self._open

    def is_told(self, operation_id: UUID) -> bool:
        """Whether this process has told an outcome, and not written that down yet."""
        return operation_id in self._told

    def run(self) -> None:
        while not self._stopped.is_set():
            self._ended.wait()
            self._stopped.wait(FLUSH_SECONDS)
            self._ended.clear()
            if not self.flush():
                self._ended.set()
                self._stopped.wait(RETRY_SECONDS)

    def stop(self) -> None:
        """Stop, and write down what is left."""
        self._stopped.set()
        self._ended.set()
        self.flush()

    def flush(self) -> bool:
        """Write down what ended since the last time; False when that failed, and is to be tried again."""
        with self._lock:
            told, lost = frozenset(self._told), frozenset(self._lost)
        if not told and not lost:
            return True
        try:
            with database.autocommit(self._engine) as connection:
                if told:
                    unanswered.remove(connection, told)
                if lost:
                    unanswered.abandon(connection, lost, self.number)
        except SQLAlchemyError as error:
            logger.warning("answers not noted yet", extra={"error": type(error).__name__})
            return False
        with self._lock:
            self._told -= told
            self._lost -= lost
        return True
