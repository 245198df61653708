"""Why somebody was not provisioned, as a table: each reason with a code that stays, plain words, and what to change.

docs/why.md shows the same table; a test keeps the two equal.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One reason: its code, what happened in plain words, and what to change in Entra ID and in Okta."""

    code: str
    words: str
    entra: str
    okta: str
    is_good: bool = False
    """Whether nothing is wrong."""


NOTHING = "Nothing."
_NEXT_CYCLE = "Nothing: it comes again in the next cycle. At once: *Provision on demand* for this person."
_PUSH_AGAIN = "Push again: *Provisioning* > *To App* > *Force Sync*, or *Retry Selected* under *Dashboard* > *Tasks*."
_NEW_SECRET = "Paste the new secret as *Secret Token* under *Admin Credentials*, *Test Connection*, and *Save*."  # noqa: S105
_NEW_OKTA_SECRET = "Paste the new secret under *Provisioning* > *Integration*, *Test API Credentials*, and *Save*."  # noqa: S105
_MAPPING = "*Mappings* > *Provision Microsoft Entra ID Users* > the attribute:"
_OKTA_MAPPING = "*Provisioning* > *To App* > *Attribute Mappings* > the attribute:"
_OUR_SIDE = "Nothing: the cause is on Muster's side; `muster operations show` says what to do."

PROVISIONED = Reason(
    code="provisioned",
    words="Everything that came was applied; this is what the identity provider sent last.",
    entra=NOTHING,
    okta=NOTHING,
    is_good=True,
)
NEVER_CAME = Reason(
    code="never-came",
    words="No request about this has reached Muster.",
    entra="Check the assignment (*Users and groups*) and the scope (*Mappings* > *Source Object Scope*); nested groups "
    "are not expanded. *Provision on demand* tells whether Entra skips this person, and why.",
    okta="Check the assignment (*Assignments*), for groups *Push Groups*, and that *Create Users* is enabled under "
    "*Provisioning* > *To App*.",
)
NOTHING_CAME = Reason(
    code="nothing-came",
    words="No request of this tenant has reached Muster at all, as far as is still known.",
    entra="Check *Tenant URL* and *Secret Token*, press *Test Connection*, and see that provisioning is *On* and not "
    "in quarantine.",
    okta="Check *Base URL* and the token under *Provisioning* > *Integration*, and that provisioning is enabled.",
)
DEACTIVATED = Reason(
    code="deactivated",
    words="The identity provider set active to false: the person exists, and may not sign in.",
    entra="The person was disabled, unassigned, or left the scope: assign or enable them again.",
    okta="The person was unassigned or deactivated: assign or activate them again.",
)
DELETED = Reason(
    code="deleted",
    words="The identity provider deleted it. What is deleted does not come back; it is created anew.",
    entra="The object was deleted for good (30 days after it was disabled, or at once): restore or recreate it, and "
    "assign it.",
    okta="A group was unlinked with *Delete the group in the target app*: push it again. Okta deletes no users.",
)
WAITING = Reason(
    code="waiting",
    words="The last write was accepted a moment ago, and is about to be applied.",
    entra=NOTHING,
    okta=NOTHING,
)
RETRYING = Reason(
    code="retrying",
    words="The last write failed on Muster's side, and is tried again by itself.",
    entra=_OUR_SIDE,
    okta=_OUR_SIDE,
)
HELD = Reason(
    code="held",
    words="The last write waits behind an earlier one of the same resource, which is tried again by itself.",
    entra=_OUR_SIDE,
    okta=_OUR_SIDE,
)
DEAD = Reason(
    code="dead",
    words="A write failed again and again on Muster's side, and was given up; an operator decides about it.",
    entra="Nothing: once an operator has replayed it, or in the next cycle, it is there.",
    okta=f"Nothing until an operator has mended it. Then, unless it was replayed: {_PUSH_AGAIN}",
)
DISCARDED = Reason(
    code="discarded",
    words="A write was given up, and an operator decided that nobody needs it.",
    entra="If it is needed after all: *Provision on demand* for this person.",
    okta=f"If it is needed after all: {_PUSH_AGAIN}",
)
CANCELLED = Reason(
    code="cancelled",
    words="A write could not be applied in time; the identity provider was told so (503), and nothing was changed.",
    entra=_NEXT_CYCLE,
    okta=_PUSH_AGAIN,
)
FAILED = Reason(
    code="failed",
    words="Something went wrong on Muster's side; nothing was changed.",
    entra=_OUR_SIDE,
    okta=_OUR_SIDE,
)
TOKEN_REVOKED = Reason(
    code="token-revoked",
    words="The token was revoked: every request with it is refused, whoever it is about.",
    entra=_NEW_SECRET,
    okta=_NEW_OKTA_SECRET,
)
TOKEN_EXPIRED = Reason(
    code="token-expired",
    words="The token has expired: every request with it is refused, whoever it is about.",
    entra=_NEW_SECRET,
    okta=_NEW_OKTA_SECRET,
)
TOKEN_PORTAL = Reason(
    code="token-portal",
    words="The token is this tenant's, and was used at the address of another tenant's portal.",
    entra="Correct the *Tenant URL* under *Admin Credentials*, *Test Connection*, and *Save*.",
    okta="Correct the *Base URL* under *Provisioning* > *Integration*.",
)
TOKEN_SCOPE = Reason(
    code="token-scope",
    words="The token has not the scope for this: it may only read, or is not meant for users, or not for groups.",
    entra=f"Create a token with the scope. {_NEW_SECRET}",
    okta=f"Create a token with the scope. {_NEW_OKTA_SECRET}",
)
TOKEN_NETWORK = Reason(
    code="token-network",
    words="The token may not be used from the address that the request came from.",
    entra="Create a token whose networks hold the addresses of the service tag *AzureActiveDirectory*, or with none.",
    okta="Create a token whose networks hold the addresses of your Okta cell, or with none.",
)
USER_NAME_TAKEN = Reason(
    code="user-name-taken",
    words="Another user of this tenant has this userName, whatever its case.",
    entra="Two accounts map to one userName, or the matching attribute does not find the existing one: match by "
    "userName, or change one userPrincipalName.",
    okta="Two people have the same *Application username*: change it in one assignment, or import the existing user.",
)
GROUP_NAME_TAKEN = Reason(
    code="group-name-taken",
    words="Another group of this tenant has this displayName, whatever its case.",
    entra="Rename one of the two groups, or match groups by displayName so that the existing one is found.",
    okta="Rename one of the two groups, or link the pushed group to the existing one.",
)
MEMBER_UNKNOWN = Reason(
    code="member-unknown",
    words="The group was to get a member whom Muster does not know, so the whole change was refused.",
    entra="Assign the member too, directly or through an assigned group; it is sent again in the next cycle.",
    okta="Assign the member to the application before the group is pushed; then push the group again.",
)
MANAGER_UNKNOWN = Reason(
    code="manager-unknown",
    words="The person was provisioned; the id of their manager is nobody's here, so no manager is shown.",
    entra="Assign the manager too, or take the mapping of *manager* away.",
    okta="Send the manager's id of this server, not a name or an e-mail address, or take the mapping away.",
)
MANAGER_MALFORMED = Reason(
    code="manager-malformed",
    words="The value for manager is none: it must be the id of a user, as text.",
    entra=f"{_MAPPING} manager must be mapped as a reference from *manager*.",
    okta=f"{_OKTA_MAPPING} manager must be the id of a user of this server, as text.",
)
VALUE_MISSING = Reason(
    code="value-missing",
    words="A required attribute is missing or blank; the detail names it.",
    entra=f"{_MAPPING} fill its source, or give a default value (*Default value if null*).",
    okta=f"{_OKTA_MAPPING} fill its source, or map an expression with a default.",
)
WRONG_TYPE = Reason(
    code="wrong-type",
    words="A value is not of its attribute's type, such as text for a number; the detail names the attribute.",
    entra=f"{_MAPPING} convert it by an expression, or map another source.",
    okta=f"{_OKTA_MAPPING} convert it by an expression, or map another source.",
)
VALUE_TOO_LONG = Reason(
    code="value-too-long",
    words="A value is too long, or there are too many; the detail names the attribute and the limit.",
    entra=f"{_MAPPING} shorten it by an expression such as *Left*.",
    okta=f"{_OKTA_MAPPING} shorten it by an expression such as *String.substring*.",
)
VALUE_REFUSED = Reason(
    code="value-refused",
    words="A value makes no sense for its attribute; the detail names the attribute and the rule.",
    entra=f"{_MAPPING} correct its source or its expression.",
    okta=f"{_OKTA_MAPPING} correct its source or its expression.",
)
READ_ONLY = Reason(
    code="read-only",
    words="An attribute was to be changed that cannot be changed or removed; the detail names it.",
    entra=f"{_MAPPING} delete the mapping, or apply it *Only during object creation*.",
    okta=f"{_OKTA_MAPPING} unmap it, or apply it on *Create* only.",
)
NO_TARGET = Reason(
    code="no-target",
    words="A change names a value that is not there, by a filter in its path.",
    entra="Add `?aadOptscim062020` to the *Tenant URL*, then *Restart provisioning*, so that everything is compared.",
    okta=_PUSH_AGAIN,
)
PATH_UNKNOWN = Reason(
    code="path-unknown",
    words="A change names an attribute that Muster does not know.",
    entra=f"{_MAPPING} correct the target attribute (*Edit attribute list*), or declare it (`muster extension add`).",
    okta=f"{_OKTA_MAPPING} correct its external name and namespace, or declare it (`muster extension add`).",
)
FILTER = Reason(
    code="filter",
    words="The query by which the provider looks for an existing account makes no sense, so it goes no further.",
    entra="Correct the matching attribute (*Match objects using this attribute*); special characters in its values are "
    "not supported by Entra.",
    okta="Correct *Unique identifier field for users* under *Provisioning* > *Integration*.",
)
MALFORMED = Reason(
    code="malformed",
    words="The body is no message of SCIM.",
    entra="Check that nothing between Entra and Muster rewrites requests, and that the *Tenant URL* is Muster's.",
    okta="Check that nothing between Okta and Muster rewrites requests, and that the app speaks SCIM 2.0.",
)
TOO_LARGE = Reason(
    code="too-large",
    words="The request is larger than Muster takes, so its body was not read: nobody knows whom it was about.",
    entra="Unmap what is so large, such as photos; or raise MUSTER_MAX_BODY_BYTES.",
    okta="Unmap what is so large, such as photos, or push smaller groups; or raise MUSTER_MAX_BODY_BYTES.",
)
MEDIA_TYPE = Reason(
    code="media-type",
    words="The body is not said to be JSON, so it was not read: nobody knows whom it was about.",
    entra="Check that nothing between Entra and Muster rewrites the header Content-Type.",
    okta="Check that nothing between Okta and Muster rewrites the header Content-Type.",
)
VERSION_CHANGED = Reason(
    code="version-changed",
    words="The resource had changed since the client read it (If-Match), so nothing was changed.",
    entra=_NEXT_CYCLE,
    okta=_PUSH_AGAIN,
)
NOT_HERE = Reason(
    code="not-here",
    words="The write names a resource that this tenant does not have, or that was deleted.",
    entra="*Restart provisioning*: Entra then looks for everybody anew, and creates who is not there.",
    okta="Unassign and assign the person again, or unlink and push the group again.",
)
THROTTLED = Reason(
    code="throttled",
    words="More was sent than is taken in that time, or could be worked off (429); nothing was changed.",
    entra=_NEXT_CYCLE,
    okta="Nothing: Okta sends it again by itself after the time that it was told.",
)
KEY_REUSED = Reason(
    code="key-reused",
    words="One Idempotency-Key was sent with two different requests.",
    entra="Entra sends no such header: something between Entra and Muster adds it.",
    okta="Okta sends no such header: something between Okta and Muster adds it.",
)
NEEDS_FAILED = Reason(
    code="needs-failed",
    words="The write needs another one of the same bulk request, and that one failed.",
    entra="Look at the other one: this one follows it.",
    okta="Look at the other one: this one follows it.",
)
TOO_MANY = Reason(
    code="too-many",
    words="The query would take too long to answer.",
    entra="Match by userName or externalId, which are indexed.",
    okta="Use userName as *Unique identifier field for users*.",
)
REFUSED = Reason(
    code="refused",
    words="It was refused; the detail says why.",
    entra="See the detail.",
    okta="See the detail.",
)

ALL = (
    *(PROVISIONED, NEVER_CAME, NOTHING_CAME, DEACTIVATED, DELETED, USER_NAME_TAKEN, GROUP_NAME_TAKEN),
    *(MEMBER_UNKNOWN, MANAGER_UNKNOWN, MANAGER_MALFORMED, VALUE_MISSING, WRONG_TYPE, VALUE_TOO_LONG, VALUE_REFUSED),
    *(READ_ONLY, NO_TARGET, PATH_UNKNOWN, FILTER, MALFORMED, TOO_LARGE, MEDIA_TYPE, VERSION_CHANGED, NOT_HERE),
    *(TOKEN_REVOKED, TOKEN_EXPIRED, TOKEN_PORTAL, TOKEN_SCOPE, TOKEN_NETWORK, THROTTLED, KEY_REUSED, NEEDS_FAILED),
    *(TOO_MANY, WAITING, RETRYING, HELD, DEAD, DISCARDED, CANCELLED, FAILED, REFUSED),
)
BY_CODE = {reason.code: reason for reason in ALL}

UNREAD = frozenset(
    {TOO_LARGE, MEDIA_TYPE, MALFORMED, TOKEN_REVOKED, TOKEN_EXPIRED, TOKEN_PORTAL, TOKEN_SCOPE, TOKEN_NETWORK}
)
"""Refused before anybody knew whom the request was about."""
