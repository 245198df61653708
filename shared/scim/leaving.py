"""Tell which writes take somebody's access away: those must not wait behind thousands of others.

A directory that provisions a company sends its leavers in between, in the order of its cycle.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.scim.patch import Op, Operation
from shared.scim.schemas.user import ACTIVE


def is_in_resource(resource: Mapping[str, Any]) -> bool:
    """Whether the resource of a PUT, parsed and checked, is an inactive one."""
    return resource.get(ACTIVE.name) is False


def is_in_patch(operations: Iterable[Operation]) -> bool:
    """Whether a PATCH, parsed, leaves its resource inactive, as far as the message alone says: the last word counts."""
    words = [one.value for one in operations if one.path.attribute is ACTIVE and one.op is not Op.REMOVE]
    return bool(words) and words[-1] is False


def is_likely_in(body: bytes) -> bool:
    """Whether a message may leave a resource inactive, as far as its words alone say, before anybody has parsed it."""
    words = body.lower()
    return ACTIVE.name.encode() in words and b"false" in words
