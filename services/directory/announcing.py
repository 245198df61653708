"""Announce outcomes to the gateway processes that wait, sealed with a key that only the database has."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from redis import Redis
from sqlalchemy.exc import SQLAlchemyError

from services.directory.keys import SharedKey
from shared import metrics, outcomes
from shared.outcomes import Reply

logger = logging.getLogger(__name__)

SEAL = "outcomes"
"""The name of the key."""


@dataclass(frozen=True, kw_only=True)
class Announcer:
    """What announcing needs."""

    redis: Redis
    key: SharedKey

    def announce(self, replies: Sequence[Reply]) -> None:
        """Publish outcomes after their commit; whatever goes wrong, the waiters look into the journal."""
        if replies:
            self.publish(replies)

    def publish(self, replies: Sequence[Reply]) -> bool:
        """Publish outcomes; False when nobody could be told."""
        try:
            key = self.key.value()
        except SQLAlchemyError as error:
            logger.warning("outcomes not published", extra={"error": type(error).__name__})
            metrics.count(metrics.UNPUBLISHED)
            return False
        return outcomes.publish(self.redis, key, replies)
