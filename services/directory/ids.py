"""Make and read resource ids: UUIDv7, which rise with time and so keep indexes and pages in the order of creation."""

from datetime import datetime
from uuid import UUID

import uuid_utils.compat


def new() -> UUID:
    """Return a new id; ids of one process rise."""
    return uuid_utils.compat.uuid7()


def parse(text: str) -> UUID | None:
    """Return the id that a text spells, or None for text that cannot be one; ids are exact in their case."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def first_at(moment: datetime) -> UUID:
    """Return the smallest id that can be made at a moment: what bounds a partition of the journal."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
