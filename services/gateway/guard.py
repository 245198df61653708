"""Keep who guesses tokens from costing anybody else anything: beyond a limit an address is told 429 before all else.

What was right lately goes on from there, and what this server signed: behind a proxy that does not tell its clients
apart all have one address, and so have many customers of one identity provider.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import orjson
from cachetools import TTLCache

from services.directory import addresses
from services.gateway.windows import Windows
from shared import metrics
from shared.scim import messages
from shared.scim.errors import TooManyRequestsError

logger = logging.getLogger(__name__)

WRONG = "wrong tokens"
REMEMBERED_SECONDS = 86_400.0
MOST_REMEMBERED = 10_000
_DETAIL = "Too many wrong tokens came from this address: look at the token, and send the request again later"


class Guard:
    """Knows which addresses sent too many wrong tokens, and which tokens were right; without a limit, nothing."""

    def __init__(self, wrong: Windows | None, is_ours: Callable[[str], bool]) -> None:
        self._wrong, self._is_ours = wrong, is_ours
        self._right: TTLCache[bytes, bool] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)

    def note_wrong(self, address: str) -> None:
        """Note that a wrong token, secret or assertion came from an address."""
        if self._wrong is None:
            return
        key = addresses.network(address)
        self._wrong.add(key)
        if self._wrong.is_full(key):
            logger.warning("too many wrong tokens", extra={"address": address})

    def note_right(self, secret: str) -> None:
        """Note that a token or secret is right; only its digest is kept."""
        if self._wrong is not None:
            self._right[digest(secret)] = True

    def refusal(self, address: str, secret: str) -> TooManyRequestsError | None:
        """Return the error for an address that has sent too many wrong ones, unless this one is known to be right."""
        if self._wrong is None or not self._wrong.is_full(addresses.network(address)):
            return None
        if digest(secret) in self._right or self._is_ours(secret):
            return None
        metrics.count(metrics.LIMITED, WRONG)
        return TooManyRequestsError(_DETAIL, retry_after=self._wrong.retry_after(addresses.network(address)))


class GuardedWSGI:
    """A WSGI application around another one, which never hears of who guesses."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], guard: Guard) -> None:
        self._wsgi, self._guard = wsgi, guard

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        header = environ.get("HTTP_AUTHORIZATION")
        refusal = header and self._guard.refusal(environ.get("REMOTE_ADDR", ""), shown(header))
        return _refuse(refusal, start_response) if refusal else self._wsgi(environ, start_response)


def shown(header: str) -> str:
    """Return what an Authorization header shows, whatever its scheme."""
    return header.partition(" ")[2].strip()


def digest(secret: str) -> bytes:
    """Return what stands for a token or a secret."""
    return hashlib.sha256(secret.encode()).digest()


def _refuse(error: TooManyRequestsError, start_response: Callable[..., Any]) -> Iterable[bytes]:
    request_id = str(uuid4())
    body = orjson.dumps(messages.error(error.status, f"{error.detail} (request {request_id})", None))
    headers = [
        ("Content-Type", messages.MEDIA_TYPE),
        ("Content-Length", str(len(body))),
        ("Retry-After", str(error.retry_after)),
        ("X-Request-ID", request_id),
    ]
    start_response(f"{error.status} {HTTPStatus(error.status).phrase}", headers)
    return [body]
