"""Make and read resource ids: UUIDv7, which rise with time and so keep indexes and pages in the order of creation."""

from datetime import UTC, datetime
from uuid import UUID

import uuid_utils.compat

GROUP_MASK = 0xFFFF
"""The bits that number the members of a group. They are random ones, behind the time and a counter."""

LARGEST_GROUP = GROUP_MASK
"""Members of one group, at most."""


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


def new_group() -> UUID:
    """Return the id of a group, whose members' ids follow it; nothing else has one of these."""
    return group_of(new())


def group_of(member: UUID) -> UUID:
    """Return the id of the group that a member's id was made in."""
    return UUID(int=member.int & ~GROUP_MASK)


def member(group: UUID, index: int) -> UUID:
    """Return the id of a group's member; the index counts from zero."""
    assert 0 <= index < LARGEST_GROUP, "the id would be in another group"
    return UUID(int=group.int + 1 + index)


def index_of(member: UUID) -> int:
    """Return a member's place in its group, from zero."""
    return (member.int & GROUP_MASK) - 1


def last_of(group: UUID) -> UUID:
    """Return the largest id that a member of a group can have."""
    return UUID(int=group.int | GROUP_MASK)


def first_at(moment: datetime) -> UUID:
    """Return the smallest id that can be made at a moment: what bounds a partition of the journal."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def moment(id_: UUID) -> datetime:
    """Return when an id was made."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
