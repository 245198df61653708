"""The protocol's errors: one class for each scimType, and the few that are plain HTTP (RFC 7644 section 3.12).

Pure code raises them; `services.gateway.errors` alone makes responses of them. A detail names the attribute and the
rule, in words that the admin of an identity provider can act on, and never a value.
"""

from typing import ClassVar

from shared.scim import messages


class SCIMError(Exception):
    """A request is refused; nothing of it has been applied."""

    status: ClassVar[int] = 400
    scim_type: ClassVar[str | None] = None

    def __init__(self, detail: str, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        """In how many seconds it makes sense to send the request again, where that is known."""

    def body(self) -> dict[str, object]:
        """Return the error message of RFC 7644 section 3.12."""
        return messages.error(self.status, self.detail, self.scim_type)


class InvalidFilterError(SCIMError):
    """The filter's syntax is wrong, or it compares what cannot be compared."""

    scim_type = "invalidFilter"


class TooManyError(SCIMError):
    """The query would return more than this server is willing to return."""

    scim_type = "tooMany"


class UniquenessError(SCIMError):
    """A value is in use by another resource of the tenant."""

    status = 409
    scim_type = "uniqueness"


class MutabilityError(SCIMError):
    """A readOnly attribute, or an immutable one that has a value, may not be changed."""

    scim_type = "mutability"


class InvalidSyntaxError(SCIMError):
    """The body's structure is not that of the message it should be."""

    scim_type = "invalidSyntax"


class InvalidPathError(SCIMError):
    """A path is malformed, or names an attribute that does not exist."""

    scim_type = "invalidPath"


class NoTargetError(SCIMError):
    """A path matches nothing that could be changed."""

    scim_type = "noTarget"


class InvalidValueError(SCIMError):
    """A value is missing, or not of the attribute's type."""

    scim_type = "invalidValue"


class InvalidVersionError(SCIMError):
    """The requested version of the protocol is not supported."""

    scim_type = "invalidVers"


class InvalidCursorError(SCIMError):
    """The cursor is not one that this server gave for this query (RFC 9865 section 2.1)."""

    scim_type = "invalidCursor"


class ExpiredCursorError(SCIMError):
    """The cursor is too old (RFC 9865 section 2.1)."""

    scim_type = "expiredCursor"


class InvalidCountError(SCIMError):
    """The count is beyond the largest page, or not that of the first page (RFC 9865 section 2.1)."""

    scim_type = "invalidCount"


class SensitiveError(SCIMError):
    """The request would put personal values into a URI (RFC 7644 section 7.5.2)."""

    status = 403
    scim_type = "sensitive"


class UnauthorizedError(SCIMError):
    """The bearer token is missing, unknown, expired or revoked."""

    status = 401


class ForbiddenError(SCIMError):
    """The token is good but does not permit this."""

    status = 403


class NotFoundError(SCIMError):
    """There is no such resource or endpoint."""

    status = 404


class MethodNotAllowedError(SCIMError):
    """The endpoint exists, the method does not.

    Never 404: clients delete their mapping of the resource on that (goauthentik/authentik#16678).
    """

    status = 405


class ConflictError(SCIMError):
    """The operation of a bulk request needs another one that failed (RFC 7644 section 3.7.1)."""

    status = 409


class PreconditionFailedError(SCIMError):
    """The resource is not at the version that If-Match names (RFC 7644 section 3.14)."""

    status = 412


class PayloadTooLargeError(SCIMError):
    """The body is over the limit, which the detail names (RFC 7644 section 3.7.4)."""

    status = 413


class UnsupportedMediaTypeError(SCIMError):
    """The body is neither application/scim+json nor application/json."""

    status = 415


class KeyReusedError(SCIMError):
    """The Idempotency-Key stands for another request (draft-ietf-httpapi-idempotency-key-header-07 section 2.7)."""

    status = 422


class TooManyRequestsError(SCIMError):
    """More is sent than a limit permits, or waits than can be worked off in time (RFC 6585 section 4)."""

    status = 429


class NotImplementedOperationError(SCIMError):
    """The RFC describes it, this server does not offer it."""

    status = 501


class UnavailableError(SCIMError):
    """The write was not applied and never will be: send it again."""

    status = 503


class InternalError(SCIMError):
    """A bug of ours: counted, logged with its request id, and shown without its cause."""

    status = 500


class OutcomeUnknownError(SCIMError):
    """The write may have been applied or not: the directory cannot be asked. Sending it again settles it."""

    status = 504


def restore(status: int, scim_type: str | None, detail: str) -> SCIMError:
    """Return the error that has this status and scimType, as an operation's outcome tells it."""
    kinds: list[type[SCIMError]] = SCIMError.__subclasses__()
    kind = next((k for k in kinds if (k.status, k.scim_type) == (status, scim_type)), InternalError)
    return kind(detail)
