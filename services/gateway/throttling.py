"""Limit how many requests a token sends in a while, and how many of a tenant are under way at once.

Writes that take somebody's access away pass. What a DELETE is, its method says; what a PUT or a PATCH is, only its body
does, so a small one is read before it is refused.
"""

from collections import Counter
from typing import Any
from uuid import UUID

from flask import Flask, Request, g, request

from services.directory.journal import Write
from services.directory.tokens import Principal
from services.gateway.windows import Windows
from shared import metrics
from shared.scim.errors import TooManyRequestsError

RATE, CONCURRENCY = "rate", "concurrency"
SMALL = 16_384
"""Bytes of a body that is read though its request may be refused: a PATCH that deactivates has some hundred."""

_READ_FIRST = frozenset({"PUT", "PATCH"})


class Throttle:
    """Counts the requests of each token and each tenant in this process; None and 0 are no limits."""

    def __init__(self, rates: Windows | None, most_at_once: int) -> None:
        self._rates, self._most = rates, most_at_once
        self._inside: Counter[UUID] = Counter()

    def register(self, app: Flask) -> None:
        """Count each request of the application that has a principal by now, until it ends."""
        app.before_request(self._enter)
        app.teardown_request(self._leave)

    def _enter(self) -> None:
        if "principal" not in g:
            return
        principal: Principal = g.principal
        refusal = self._refusal(principal)
        if refusal is not None and not _may_be_leaving(request):
            raise counted(refusal)
        if refusal is not None and request.method in _READ_FIRST:
            g.refusal = refusal
        self._inside[principal.tenant_id] += 1
        g.is_inside = principal.tenant_id

    def _leave(self, _: BaseException | None) -> None:
        tenant_id = g.pop("is_inside", None)
        if tenant_id is not None:
            self._inside[tenant_id] -= 1
            if not self._inside[tenant_id]:
                del self._inside[tenant_id]

    def _refusal(self, principal: Principal) -> "ThrottledError | None":
        if self._most and self._inside[principal.tenant_id] >= self._most:
            detail = f"This tenant has {self._most} requests under way: wait for an answer before the next one"
            return ThrottledError(detail, 1, CONCURRENCY)
        key = str(principal.token_id)
        if self._rates is None or self._rates.take(key):
            return None
        rate = self._rates.item.amount / self._rates.item.get_expiry()
        detail = f"This token may send {rate:g} requests a second: send this one again later"
        return ThrottledError(detail, self._rates.retry_after(key), RATE)


class ThrottledError(TooManyRequestsError):
    """A request is one too many; `limit` says of what."""

    def __init__(self, detail: str, retry_after: int, limit: str) -> None:
        super().__init__(f"{detail}. This one was not applied", retry_after=retry_after)
        self.limit = limit


def settle(write: Write) -> None:
    """Refuse a write whose request was one too many, now that it is known that nobody leaves. Raises ThrottledError."""
    refusal: Any = g.get("refusal")
    if refusal is not None and not write.is_urgent:
        raise counted(refusal)


def counted(refusal: ThrottledError) -> ThrottledError:
    """Return an error that is about to be told, and count it."""
    metrics.count(metrics.LIMITED, refusal.limit)
    return refusal


def _may_be_leaving(sent: Request) -> bool:
    """Whether a request may take somebody's access away, as far as can be told without its body."""
    is_small = sent.content_length is not None and sent.content_length <= SMALL
    return sent.method == "DELETE" or (sent.method in _READ_FIRST and is_small)
