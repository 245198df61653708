"""Ring for the writes of this process, and tell what became of others', without waiting for a Redis that is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from celery import Celery
from redis import Redis

from services.directory.announcing import Announcer
from services.gateway.reach import Hearing, Reach
from services.gateway.ringing import Ringer
from services.gateway.waiting import Rung, Waiters
from shared import queue
from shared.outcomes import Reply


@dataclass(frozen=True, kw_only=True)
class Bell:
    """What ringing and telling need."""

    celery: Celery
    redis: Redis
    announcer: Announcer
    waiters: Waiters
    reach: Reach = field(default_factory=Reach)
    hearing: Hearing = field(default_factory=Hearing)
    ringer: Ringer = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ringer", Ringer(self._ring_all))

    def ring(self, shard: int) -> bool:
        """See to it that a shard is rung for in a moment; False when nobody can be told now."""
        self.ringer.ring(shard)
        return not self.reach.is_lost

    def ring_patiently(self, shard: int) -> bool:
        """Ring where nobody waits for the answer; it is heard after all others."""
        return self.reach.attempt(partial(queue.wake, self.celery, self.redis, shard, is_patient=True))

    def is_heard(self) -> bool:
        """Whether a worker is likely to hear."""
        return self.hearing.is_good() and not self.reach.is_lost

    def announce(self, replies: Sequence[Reply]) -> None:
        """Tell the waiters of this process without a detour, and the other processes over their channels."""
        others = [r for r in replies if not self.waiters.tell(r.outcome.operation_id, r.outcome, Rung.DRAIN)]
        if others:
            self.reach.attempt(partial(self.announcer.publish, others))

    def _ring_all(self, shards: Sequence[int]) -> None:
        self.reach.attempt(partial(queue.wake_all, self.celery, self.redis, shards))
