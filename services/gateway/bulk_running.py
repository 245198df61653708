"""Run the plan of a bulk request: what need not wait runs at the same time, each write down its own ladder."""

import heapq
import logging
import time
from bisect import bisect_left, insort
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from itertools import accumulate
from typing import TypeAlias

from services.directory.journal import Write
from services.gateway import errors
from services.gateway.bulk_writes import Member, Plan, Single
from services.gateway.writes import Writes
from services.gateway.writing import unavailable
from shared.outcomes import Outcome
from shared.scim import bulk
from shared.scim.bulk_order import Step
from shared.scim.errors import (
    InternalError,
    NotFoundError,
    OutcomeUnknownError,
    SCIMError,
    UnavailableError,
)

logger = logging.getLogger(__name__)

WIDTH = 100
"""Steps of one request that run at the same time, at most: as many as the journal accepts at once."""

TAKE_BACK_SECONDS = 5.0
"""A circle that failed is taken back even when the deadline is over, within this."""

Ended: TypeAlias = Outcome | SCIMError
"""What an operation ended in."""


def run(writes: Writes, plan: Plan, fail_on_errors: int | None, deadline: float) -> dict[int, Ended]:
    """Return what each operation ended in that was begun; after so many errors no other one is."""
    return _Run(writes, plan, fail_on_errors, deadline).run()


class _Run:
    """One request while it runs; only the thread of the request writes down what ended."""

    def __init__(self, writes: Writes, plan: Plan, fail_on_errors: int | None, deadline: float) -> None:
        self._steps, self._fail_on_errors = plan.steps, fail_on_errors
        self._performing = _Performing(writes=writes, plan=plan, deadline=deadline)
        self._place_of = {number: place for place, step in enumerate(plan.steps) for number in step.numbers}
        self._earlier = list(accumulate((len(step.numbers) for step in plan.steps), initial=0))
        self._ended: dict[int, Ended] = {}
        self._ended_places: list[int] = []
        self._errors = 0

    def run(self) -> dict[int, Ended]:
        sorter = TopologicalSorter(self._graph())
        sorter.prepare()
        ready: list[int] = []
        running: dict[Future[dict[int, Ended]], int] = {}
        with ThreadPoolExecutor(WIDTH, thread_name_prefix="bulk") as pool:
            while sorter.is_active():
                for place in sorter.get_ready():
                    heapq.heappush(ready, place)
                while ready and len(running) < WIDTH and self._may_begin(ready[0]):
                    place = heapq.heappop(ready)
                    running[pool.submit(self._performing.step, self._steps[place], self._ended)] = place
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    self._note(future.result())
                    sorter.done(running.pop(future))
        return self._ended

    def _graph(self) -> dict[int, set[int]]:
        return {place: {self._place_of[n] for n in step.after} for place, step in enumerate(self._steps)}

    def _may_begin(self, place: int) -> bool:
        """Whether the limit of errors would not be reached before this step, even if all that is under way fails.

        So what is begun is what would be begun one after the other.
        """
        if self._fail_on_errors is None:
            return True
        under_way = self._earlier[place] - bisect_left(self._ended_places, place)
        return self._errors + under_way < self._fail_on_errors

    def _note(self, ended: Mapping[int, Ended]) -> None:
        self._ended |= ended
        for number in ended:
            insort(self._ended_places, self._place_of[number])
        self._errors += sum(isinstance(one, SCIMError) for one in ended.values())


@dataclass(frozen=True, kw_only=True)
class _Performing:
    """What a step needs, in a thread of its own."""

    writes: Writes
    plan: Plan
    deadline: float

    def step(self, step: Step, ended: Mapping[int, Ended]) -> dict[int, Ended]:
        """Return what the operations of a step ended in; it raises nothing."""
        prepared = {number: self.plan.prepared[number] for number in step.numbers}
        refused = {number: one for number, one in prepared.items() if isinstance(one, SCIMError)}
        failed = min((number for number in step.needs if isinstance(ended[number], SCIMError)), default=None)
        if refused:
            return {number: refused.get(number) or bulk.failed_need(min(refused)) for number in step.numbers}
        if time.monotonic() >= self.deadline:
            return dict.fromkeys(step.numbers, unavailable())
        if failed is not None:
            return dict.fromkeys(step.numbers, bulk.failed_need(failed))
        singles = {
            number: self._perform(one.write, self.deadline)
            for number, one in prepared.items()
            if isinstance(one, Single)
        }
        return singles | self._circle({n: one for n, one in prepared.items() if isinstance(one, Member)})

    def _circle(self, members: Mapping[int, Member]) -> dict[int, Ended]:
        """Create all that refer to each other, then add the references; if one fails, none of them stays."""
        created = self._in_turn({number: member.create for number, member in members.items()})
        failed = _failed(created)
        if failed is None:
            completed = self._in_turn({number: member.complete for number, member in members.items()})
            failed = _failed(completed)
            if failed is None:
                done = {number: one for number, one in completed.items() if isinstance(one, Outcome)}
                return {number: replace(one, status=201, is_complete=True) for number, one in done.items()}
        there = {number: members[number] for number, one in created.items() if _may_be_applied(one)}
        number, error = failed
        others = error if isinstance(error, UnavailableError) else bulk.failed_need(number)
        return dict.fromkeys(members, others) | {number: error} | self._take_back(there)

    def _in_turn(self, writes: Mapping[int, Write]) -> dict[int, Ended]:
        """Perform writes one after the other, up to the first that fails."""
        ended: dict[int, Ended] = {}
        for number, write in writes.items():
            ended[number] = self._perform(write, self.deadline)
            if isinstance(ended[number], SCIMError):
                break
        return ended

    def _take_back(self, members: Mapping[int, Member]) -> dict[int, Ended]:
        """Delete what was created; return what is to be said of those that could not be deleted."""
        until = max(self.deadline, time.monotonic() + TAKE_BACK_SECONDS)
        gone = {number: self._perform(member.take_back, until) for number, member in members.items()}
        left = [n for n, one in gone.items() if isinstance(one, SCIMError) and not isinstance(one, NotFoundError)]
        for number in left:
            lane = members[number].create.lane
            logger.error("part of a circle not taken back", extra={"resource_id": str(lane)})
        unknown = OutcomeUnknownError("This was created, and could not be taken back when another operation failed")
        return dict.fromkeys(left, unknown)

    def _perform(self, write: Write, deadline: float) -> Ended:
        try:
            return self.writes.perform(write, deadline)
        except Exception as error:
            return errors.translate(error)


def _failed(ended: Mapping[int, Ended]) -> tuple[int, SCIMError] | None:
    return next(((number, one) for number, one in ended.items() if isinstance(one, SCIMError)), None)


def _may_be_applied(ended: Ended) -> bool:
    return isinstance(ended, Outcome | OutcomeUnknownError | InternalError)
