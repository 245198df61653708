"""What is not wrong, and goes wrong later: habits of a connection that an administrator had better change.

A lint is told from what was sighted in its requests (services/directory/onboarding.py), or from the tolerances that it
needed. docs/why.md shows the same table; a test keeps the two equal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from services.directory import onboarding, tolerance_uses
from services.directory.catalogues import Catalogues
from services.directory.onboarding import Sighting, What
from shared.scim import mentions
from shared.scim.attributes import VALUE
from shared.scim.dialects import tolerances
from shared.scim.resource_types import USERS, Catalogue
from shared.scim.schemas.common import EXTERNAL_ID

ENOUGH = 10
"""So many resources must have come before it is told that an attribute never does."""

_MAPPINGS = "*Mappings* > *Provision Microsoft Entra ID Users*:"
_OKTA_MAPPINGS = "*Provisioning* > *To App* > *Attribute Mappings*:"


@dataclass(frozen=True, kw_only=True)
class Lint:
    """One habit: its code, what it leads to in plain words, and what to change in Entra ID and in Okta."""

    code: str
    words: str
    entra: str
    okta: str


NO_EXTERNAL_ID = Lint(
    code="no-external-id",
    words="People come without externalId, so a person whose userName changes is not known again.",
    entra=f"{_MAPPINGS} map *objectId* to externalId.",
    okta="Nothing: Okta sends its own id, unless the mapping of *externalId* was taken away.",
)
NICKNAME = Lint(
    code="external-id-is-nickname",
    words="externalId is the mail nickname, which changes with people's names and is given again to others.",
    entra=f"{_MAPPINGS} map *objectId* to externalId, in the place of *mailNickname*, before anybody is provisioned.",
    okta=f"{_OKTA_MAPPINGS} map the user's id to externalId.",
)
NO_EMAIL = Lint(
    code="no-email",
    words="People come without an e-mail address.",
    entra=f'{_MAPPINGS} map *mail* to emails[type eq "work"].value; where *mail* is empty, *userPrincipalName*.',
    okta=f"{_OKTA_MAPPINGS} map *email* to the primary e-mail.",
)
STRING_BOOLEAN = Lint(
    code="string-boolean",
    words="Booleans come as text ('True'). Muster understands them; the next release of the client may not send them.",
    entra="Add `?aadOptscim062020` to the *Tenant URL*.",
    okta=f"{_OKTA_MAPPINGS} map a boolean, not a string.",
)
NEVER_MAPPED = Lint(
    code="never-mapped",
    words="No person had this attribute so far, though it is mapped by default or was declared for this tenant.",
    entra=f"{_MAPPINGS} *Add New Mapping* for it, or fill its source.",
    okta=f"{_OKTA_MAPPINGS} map it, or fill its source.",
)
NOT_KEPT = Lint(
    code="not-kept",
    words="An attribute comes that Muster does not know: its values are ignored.",
    entra=f"{_MAPPINGS} delete the mapping, correct its target, or declare the attribute (`muster extension add`).",
    okta=f"{_OKTA_MAPPINGS} unmap it, correct its external name, or declare it (`muster extension add`).",
)
ALL = (NO_EXTERNAL_ID, NICKNAME, NO_EMAIL, STRING_BOOLEAN, NEVER_MAPPED, NOT_KEPT)
BY_CODE = {lint.code: lint for lint in ALL}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A lint that was found: about what, how often, when last, and in which request, as far as that is known."""

    lint: Lint
    about: str = ""
    times: int | None = None
    of: int | None = None
    """Of how many, where that is known."""
    last_at: datetime | None = None
    request_id: str | None = None
    token_id: UUID | None = field(default=None)
    """The token with which it came; None: it is only known of the tenant."""


def of_new_user(user: Mapping[str, Any]) -> Iterator[Lint]:
    """Yield what a User who is created, parsed and checked, is told of by itself."""
    external_id, addresses = user.get(EXTERNAL_ID.name), list(_addresses(user))
    if not external_id:
        yield NO_EXTERNAL_ID
    elif external_id.lower() in {address.partition("@")[0].lower() for address in addresses if "@" in address}:
        yield NICKNAME
    if not any(user.get(each.name) for each in _EMAILS):
        yield NO_EMAIL


def found(connection: Connection, tenant_id: UUID) -> list[Finding]:
    """Return what is to be told of a tenant's connections."""
    seen = onboarding.sightings(connection, tenant_id)
    catalogue = Catalogues().of_tenants(connection, {tenant_id})[tenant_id]
    used = {use.name: use for use in tolerance_uses.of(connection, tenant_id)}
    strings = used.get(tolerances.STRING_BOOLEAN.name)
    return [
        *_sighted(seen),
        *([] if strings is None else [Finding(lint=STRING_BOOLEAN, times=strings.uses, last_at=strings.last_used_at)]),
        *(Finding(lint=NEVER_MAPPED, about=name, times=0, of=people) for name, people in _never(seen, catalogue)),
    ]


def _sighted(seen: Sequence[Sighting]) -> Iterator[Finding]:
    created = {each.token_id: each.times for each in seen if each.what == What.RESOURCES and each.about == USERS.name}
    for each in seen:
        if each.what in BY_CODE:
            yield Finding(
                lint=BY_CODE[each.what],
                about=each.about,
                times=each.times,
                of=created.get(each.token_id),
                last_at=each.last_at,
                request_id=each.request_id,
                token_id=each.token_id,
            )


def _never(seen: Sequence[Sighting], catalogue: Catalogue) -> Iterator[tuple[str, int]]:
    users = catalogue.by_name[USERS.name]
    people = sum(each.times for each in seen if each.what == What.RESOURCES and each.about == USERS.name)
    said = {each.about for each in seen if each.what == What.ATTRIBUTE}
    if people >= ENOUGH:
        yield from ((name, people) for name in sorted(mentions.usual(users)) if name not in said)


_EMAILS = [
    a
    for _, a in USERS.walk()
    if a.multi_valued and any(sub.name == VALUE and sub.is_sought for sub in a.sub_attributes)
]
_NAMES = [a for _, a in USERS.walk() if a.is_sought and not a.is_complex and a is not EXTERNAL_ID]


def _addresses(user: Mapping[str, Any]) -> Iterator[str]:
    yield from (user[each.name] for each in _NAMES if user.get(each.name))
    yield from (one[VALUE] for each in _EMAILS for one in user.get(each.name, ()) if one.get(VALUE))
