"""Replay dead operations, and follow each until it has ended."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.directory import database, dead
from services.directory.dead import Case, DecisionError, Replay, Standing
from services.directory.journal import State

AT_ONCE = 100
"""So many are replayed before their outcomes are waited for, so that many do not become a flood."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of one dead operation: why it was not replayed, or its replay, and where that stands."""

    case: Case
    refusal: str | None = None
    replay: Replay | None = None
    standing: Standing | None = None

    @property
    def is_applied(self) -> bool:
        """Whether the write has taken effect now."""
        return self.standing is not None and self.standing.is_applied

    @property
    def is_pending(self) -> bool:
        """Whether the replay has not ended yet."""
        return self.standing is not None and self.standing.state is State.PENDING


@dataclass(frozen=True, kw_only=True)
class Replayer:
    """Replays operations one after the other, each in a transaction of its own, and rings the bell for them."""

    engine: Engine
    wake: Callable[[int], bool]
    wait_seconds: float
    note: Callable[[Connection, Case, Replay], None]
    """Writes down who decided it, in the transaction that accepts it."""

    def replay(self, cases: Sequence[Case]) -> Iterator[Ended]:
        """Replay operations, a hundred at a time; yield what became of each, in the order of their lanes."""
        for first in range(0, len(cases), AT_ONCE):
            accepted = [self._accept(case) for case in cases[first : first + AT_ONCE]]
            replays = [each.replay for each in accepted if each.replay is not None]
            standings = self._follow(replays)
            for each in accepted:
                standing = standings.get(each.replay.id) if each.replay else None
                yield Ended(case=each.case, refusal=each.refusal, replay=each.replay, standing=standing)

    def _accept(self, case: Case) -> Ended:
        try:
            with database.across(self.engine) as connection:
                made = dead.replay(connection, case.id, case.later)
                self.note(connection, case, made)
                return Ended(case=case, replay=made)
        except DecisionError as error:
            return Ended(case=case, refusal=str(error))

    def _follow(self, replays: Sequence[Replay]) -> dict[UUID, Standing]:
        """Ring for operations until all have ended or the time is over; who waits longer looks and rings less often."""
        until, pause = time.monotonic() + self.wait_seconds, SHORTEST_PAUSE
        shards = {replay.id: replay.shard for replay in replays}
        while True:
            standings = self._look(list(shards))
            pending = [id_ for id_, standing in standings.items() if standing.state is State.PENDING]
            for shard in {shards[id_] for id_ in pending}:
                self.wake(shard)
            if not pending or time.monotonic() >= until:
                return standings
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _look(self, operation_ids: Sequence[UUID]) -> dict[UUID, Standing]:
        with database.across(self.engine) as connection:
            return {standing.id: standing for standing in dead.standings(connection, operation_ids)}
