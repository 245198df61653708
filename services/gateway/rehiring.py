"""Take a leaver back: the POST that an identity provider sends for an account which exists and is inactive.

It was refused as a create, for its userName is in use. As a replacement it goes through the account's own lane, on the
condition that nobody changed the account since (docs/decisions/0014-rehire.md).
"""

import logging
from dataclasses import replace

from sqlalchemy import Engine

from services.directory import database, ids, leavers
from services.directory.journal import Write
from services.gateway.answering import Answer
from services.gateway.writes import Writes
from shared.outcomes import Outcome
from shared.scim import versions
from shared.scim.errors import NotFoundError, PreconditionFailedError, UniquenessError
from shared.scim.resource_types import USERS
from shared.scim.schemas.user import ACTIVE

logger = logging.getLogger(__name__)


def perform(writes: Writes, engine: Engine, write: Write, answer: Answer, deadline: float) -> Outcome:
    """Take a write through, as `Writes.perform_once`; a create that means a leaver replaces the leaver."""
    try:
        return writes.perform_once(write, answer, deadline)
    except UniquenessError as taken:
        again = _replacement(engine, write)
        if again is None:
            raise
        return _rehire(writes, again, answer, deadline, taken)


def _replacement(engine: Engine, write: Write) -> Write | None:
    """Return the write that replaces and activates the leaver whom a create means, or None if it means none."""
    if write.method != "POST" or write.resource_type != USERS.name:
        return None
    with database.transaction(engine, write.tenant_id) as connection:
        leaver = leavers.find(connection, write.tenant_id, write.request)
    if leaver is None:
        return None
    return replace(
        write,
        id=ids.new(),
        lane=leaver.id,
        method="PUT",
        request={ACTIVE.name: ACTIVE.default, **write.request},
        if_match=versions.etag(leaver.version),
        is_new=True,
    )


def _rehire(writes: Writes, again: Write, answer: Answer, deadline: float, taken: UniquenessError) -> Outcome:
    """Answer 201 with the account that there was; it is what clients know as the success of a POST."""
    try:
        outcome = writes.perform_once(again, answer, deadline)
    except (PreconditionFailedError, NotFoundError) as error:
        # Somebody changed or deleted the leaver meanwhile: what was refused stays refused.
        raise taken from error
    logger.info("leaver taken back", extra={"operation_id": str(again.id), "resource_id": str(again.lane)})
    return replace(outcome, status=201)
