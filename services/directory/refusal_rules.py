"""Tell the reason of a refusal from what its client was told."""

import re
from dataclasses import dataclass

from services.directory import reasons
from services.directory.reasons import Reason
from shared.scim import resource_types
from shared.scim.errors import (
    ConflictError,
    ForbiddenError,
    InvalidFilterError,
    InvalidPathError,
    InvalidSyntaxError,
    InvalidValueError,
    KeyReusedError,
    MethodNotAllowedError,
    MutabilityError,
    NoTargetError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    SCIMError,
    TooManyError,
    TooManyRequestsError,
    UniquenessError,
    UnsupportedMediaTypeError,
)
from shared.scim.schemas.enterprise import MANAGER
from shared.scim.schemas.group import MEMBERS


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """A refusal of this kind, whose detail has this in it, about this type of resource, has this reason."""

    error: type[SCIMError]
    reason: Reason
    detail: str = ""
    resource_type: str | None = None


# The first that fits. The details are our own words, and tests hold each of these to what is really said.
_RULES = (
    _Rule(error=UniquenessError, resource_type=resource_types.GROUPS.name, reason=reasons.GROUP_NAME_TAKEN),
    _Rule(error=UniquenessError, reason=reasons.USER_NAME_TAKEN),
    _Rule(error=InvalidValueError, detail=rf"{MEMBERS.name}: no", reason=reasons.MEMBER_UNKNOWN),
    _Rule(error=InvalidValueError, detail=rf"\b{MANAGER.name}\b", reason=reasons.MANAGER_MALFORMED),
    _Rule(error=InvalidValueError, detail="is required|must not be blank|needs a value", reason=reasons.VALUE_MISSING),
    _Rule(error=InvalidValueError, detail="longer than|takes at most", reason=reasons.VALUE_TOO_LONG),
    _Rule(error=InvalidValueError, detail="must be", reason=reasons.WRONG_TYPE),
    _Rule(error=InvalidValueError, reason=reasons.VALUE_REFUSED),
    _Rule(error=MutabilityError, reason=reasons.READ_ONLY),
    _Rule(error=NoTargetError, reason=reasons.NO_TARGET),
    _Rule(error=InvalidPathError, reason=reasons.PATH_UNKNOWN),
    _Rule(error=InvalidFilterError, reason=reasons.FILTER),
    _Rule(error=InvalidSyntaxError, reason=reasons.MALFORMED),
    _Rule(error=PayloadTooLargeError, reason=reasons.TOO_LARGE),
    _Rule(error=UnsupportedMediaTypeError, reason=reasons.MEDIA_TYPE),
    _Rule(error=PreconditionFailedError, reason=reasons.VERSION_CHANGED),
    _Rule(error=NotFoundError, reason=reasons.NOT_HERE),
    _Rule(error=MethodNotAllowedError, reason=reasons.NOT_HERE),
    _Rule(error=ForbiddenError, detail="has not the scope", reason=reasons.TOKEN_SCOPE),
    _Rule(error=ForbiddenError, detail="from this address", reason=reasons.TOKEN_NETWORK),
    _Rule(error=TooManyRequestsError, reason=reasons.THROTTLED),
    _Rule(error=KeyReusedError, reason=reasons.KEY_REUSED),
    _Rule(error=ConflictError, reason=reasons.NEEDS_FAILED),
    _Rule(error=TooManyError, reason=reasons.TOO_MANY),
)


def of(status: int, scim_type: str | None, detail: str, resource_type: str | None) -> Reason:
    """Return why a request was refused, by what its client was told."""
    for rule in _RULES:
        is_kind = (rule.error.status, rule.error.scim_type) == (status, scim_type)
        is_type = rule.resource_type in {None, resource_type}
        if is_kind and is_type and re.search(rule.detail, detail):
            return rule.reason
    return reasons.FAILED if status >= 500 else reasons.REFUSED
