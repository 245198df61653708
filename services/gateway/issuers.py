"""Know the keys of other issuers, such as Microsoft Entra: fetched over TLS, and kept for a while.

Only issuers that an operator named are asked. A key id that is not known makes this process look again, a few times in
a row and then once a minute, so that made-up ones cannot make it hammer an issuer.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from services.directory import clients
from shared import metrics

logger = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
LONGEST_SECONDS = 86_400.0
"""Keys that could not be fetched again are good for so long."""

LOOKS, LOOK_EACH_SECONDS = 5, 60.0
"""So many fetches of one issuer's keys in a row, and then one in so many seconds."""

TIMEOUT_SECONDS = 3.0
LARGEST = 512 * 1024
WELL_KNOWN = "/.well-known/openid-configuration"

_SIGNS = {"sig", None}


class IssuerError(Exception):
    """An issuer's keys cannot be fetched; the text says why."""


@dataclass
class _Known:
    """What is known of one issuer, and how often it may be asked."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    read_at: float = -float("inf")
    looks: float = LOOKS
    counted_at: float = -float("inf")
    lock: threading.Lock = field(default_factory=threading.Lock)


class Issuers:
    """The keys of other issuers, as this process knows them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: defaultdict[tuple[str, str | None], _Known] = defaultdict(_Known)

    def key(self, issuer: str, jwks_url: str | None, kid: str) -> Key | None:
        """Return the key of this id, or None when the issuer has none, or cannot be asked at the moment."""
        known = self._known[issuer, jwks_url]
        if kid not in known.keys or self._clock() - known.read_at > FRESH_SECONDS:
            self._read(known, issuer, jwks_url, kid)
        return known.keys.get(kid) if self._clock() - known.read_at < LONGEST_SECONDS else None

    def _read(self, known: _Known, issuer: str, jwks_url: str | None, kid: str) -> None:
        """Fetch the keys, once for all who wait; who has a key that may do does not wait."""
        asked = self._clock()
        if not known.lock.acquire(blocking=kid not in known.keys):
            return
        try:
            if known.read_at < asked and self._may_look(known):
                known.keys, known.read_at = _fetch(issuer, jwks_url), self._clock()
                metrics.count(metrics.KEYS_READ, "ok")
        except (IssuerError, httpx.HTTPError) as error:
            metrics.count(metrics.KEYS_READ, "failed")
            why = str(error) if isinstance(error, IssuerError) else type(error).__name__
            logger.warning("issuer's keys not read", extra={"issuer": issuer, "error": why})
        finally:
            known.lock.release()

    def _may_look(self, known: _Known) -> bool:
        now = self._clock()
        known.looks = min(float(LOOKS), known.looks + (now - known.counted_at) / LOOK_EACH_SECONDS)
        known.counted_at = now
        if known.looks < 1:
            return False
        known.looks -= 1
        return True


def _fetch(issuer: str, jwks_url: str | None) -> Mapping[str, Key]:
    """Return an issuer's keys by their ids. Raises IssuerError, or what httpx raises."""
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as http:
        found = _document(http, jwks_url or _jwks_url(http, issuer)).get("keys")
    if not isinstance(found, list):
        raise IssuerError("no JWK Set")
    keys = [key for each in found if isinstance(each, dict) and (key := _key(each)) is not None]
    return {key.kid: key for key in keys if key.kid}


def _jwks_url(http: httpx.Client, issuer: str) -> str:
    """Return where an issuer says that its keys are (OpenID Connect Discovery 1.0 sections 4.1 and 4.3)."""
    described = _document(http, issuer.rstrip("/") + WELL_KNOWN)
    url = described.get("jwks_uri")
    if described.get("issuer") != issuer:
        raise IssuerError("metadata of another issuer")
    if not isinstance(url, str) or not clients.is_safe_url(url):
        raise IssuerError("no address of keys")
    return url


def _document(http: httpx.Client, url: str) -> dict[str, Any]:
    body = b""
    with http.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise IssuerError(f"status {response.status_code}")
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > LARGEST:
                raise IssuerError("too large")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise IssuerError("no JSON") from error
    if not isinstance(document, dict):
        raise IssuerError("no JSON object")
    return document


def _key(described: dict[str, Any]) -> Key | None:
    """Return a public key for signatures; what is none, or is of a kind that is not known, is left out."""
    if described.get("use") not in _SIGNS or described.get("kty") not in {"RSA", "EC"}:
        return None
    try:
        key: Key = import_key(described)
    except (JoseError, ValueError, TypeError):
        return None
    return key
