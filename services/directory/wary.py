"""Drain as a process may that serves requests: an operation that may have ended a process is not run in this one.

All requests that it serves would end with it, and with the next one those that the next one serves.
"""

from sqlalchemy import Connection

from services.directory.attempts import Attempt
from services.directory.batches import Batch
from services.directory.drain import Choose, Drainer

SECOND_CHANCE = 1
"""So many starts may have failed before.

Whoever shared a run with what ended its process has one, too, and so have all whom a killed worker left behind. To run
those elsewhere made them wait for up to 10 s on a crowded machine, where they had waited for less than 2 s.
"""


class DangerousError(Exception):
    """What is due next has failed or ended its process again and again, and is for a process that serves nobody."""


class WaryDrainer(Drainer):
    """Drains as a worker does, until it comes to an operation that had its second chance.

    Then `advance` and `drain` raise DangerousError. That is decided under the shard's lock, where a start that never
    ended is counted first: whoever ran it may have died while this process waited for the lock.
    """

    def _batch(self, shard: int, choose: Choose, attempt: Attempt) -> Batch:
        def warily(connection: Connection, shard: int) -> Batch:
            batch = choose(connection, shard)
            if any(operation.starts > SECOND_CHANCE for operation in batch.operations):
                raise DangerousError
            return batch

        return super()._batch(shard, warily, attempt)
