"""Sends SCIM requests from many threads and times them, as patiently as an identity provider.

http.client instead of httpx: the simulator shares the machine with the server it measures, and a request costs it a
fraction of the processor time. Each thread keeps one connection open.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, quote_plus, urlsplit

import orjson

from services.simulator.report import Failure, Recorder

TIMEOUT = 60.0  # Entra ID and Okta give up on a request after this many seconds.
ATTEMPTS = 10
IDLE = 1.0  # A connection unused for so long may be closed by the server just now; a new one costs less than doubt.
LONGEST_PAUSE = 120.0
NOT_FOUND = frozenset({404})
CONFLICT = frozenset({409})
QUOTE = '"'
LOST = 0  # The status of a request that got no answer.
RETRIED = frozenset({LOST, 429, 503})
NONE_TOLERATED: frozenset[int] = frozenset()

# Writes the value of a query parameter.
Encode = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A SCIM service: its base URL, with the query that the admin may have put there, and a token."""

    url: str
    token: str = field(repr=False)

    @property
    def base(self) -> str:
        """The URL without its query and without a slash at the end."""
        return self.url.partition("?")[0].rstrip("/")

    @property
    def flags(self) -> str:
        """The query of the URL, which every request carries."""
        return self.url.partition("?")[2]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; `reason` says why there is no answer if status is LOST."""

    status: int
    body: bytes = b""
    retry_after: str | None = None
    reason: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_lost(self) -> bool:
        return self.status == LOST

    def resource(self) -> dict[str, Any]:
        """Return the JSON object in the body, or an empty one if there is none."""
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return value if isinstance(value, dict) else {}

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources of a list response."""
        return self.resource().get("Resources") or []

    def text(self) -> str:
        """Return what a failure shows."""
        return self.reason or self.body.decode(errors="replace")


class Client:
    """Speaks to one target; every thread that sends gets a connection of its own."""

    def __init__(
        self,
        target: Target,
        recorder: Recorder,
        headers: Mapping[str, str],
        sleep: Callable[[float], None] = time.sleep,
        *,
        encode: Encode,
    ) -> None:
        self._encode = encode
        self._target = target
        self._recorder = recorder
        self._sleep = sleep
        self._own = threading.local()
        self._lock = threading.Lock()
        self._connections: list[http.client.HTTPConnection] = []
        self._headers = {"Accept": "application/scim+json", "Authorization": f"Bearer {target.token}", **headers}
        self._url = urlsplit(target.base)

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._connections:
                connection.close()

    def expect(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        subject: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        tolerated: frozenset[int] = NONE_TOLERATED,
    ) -> Answer:
        """Send a request until it is answered, and record a failure unless it succeeds or its status is tolerated."""
        answer = self.send(kind, method, path, body=body, query=query)
        if not answer.is_success and answer.status not in tolerated:
            self.fail(kind, subject, answer)
        return answer

    def send(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, again if the server is busy or gone; a POST without an answer may have been applied."""
        target = self.request_target(path, query)
        content = None if body is None else orjson.dumps(body)
        for attempt in range(ATTEMPTS):
            answer = self.once(kind, method, target, content)
            if answer.status not in RETRIED or (answer.is_lost and method == "POST"):
                break
            self._sleep(pause(answer.retry_after, attempt))
        return answer

    def pages(self, kind: str, path: str, query: Mapping[str, str], count: int) -> Iterator[dict[str, Any]]:
        """Read pages until totalResults are read; an empty page before that ends the list."""
        start, total = 1, 1
        while start <= total:
            page_query = {**query, "startIndex": str(start), "count": str(count)}
            answer = self.expect(kind, "GET", path, subject=f"startIndex {start}", query=page_query)
            resources = answer.resources()
            if not resources:
                return
            yield from resources
            total = int(answer.resource().get("totalResults") or 0)
            start += len(resources)

    def once(self, kind: str, method: str, target: str, content: bytes | None = None) -> Answer:
        """Send one request and record it, whatever comes."""
        started = time.perf_counter()
        answer = self._exchange(method, target, content)
        self._own.used = ended = time.perf_counter()
        self._recorder.request(kind, method, answer.status, ended - started)
        return answer

    def fail(self, kind: str, subject: str, answer: Answer) -> None:
        """Record an answer as a failure."""
        self._recorder.failure(Failure(kind=kind, subject=subject, status=answer.status, body=answer.text()))

    def request_target(self, path: str, query: Mapping[str, str] | None) -> str:
        """Return the path with its query and the flags of the URL, as they are sent."""
        pairs = [f"{name}={self._encode(value)}" for name, value in (query or {}).items()]
        text = "&".join(part for part in (*pairs, self._target.flags) if part)
        return f"{self._url.path}{path}" + (f"?{text}" if text else "")

    def _exchange(self, method: str, target: str, content: bytes | None) -> Answer:
        connection = self._connection()
        headers = self._headers
        if content is not None:
            headers = {**headers, "Content-Type": "application/scim+json; charset=utf-8"}
        try:
            connection.request(method, target, body=content, headers=headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return Answer(status=LOST, reason=f"no answer: {error or type(error).__name__}")
        return Answer(status=response.status, body=body, retry_after=response.headers.get("Retry-After"))

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = _new_connection(self._url)
            with self._lock:
                self._connections.append(connection)
        elif time.perf_counter() - self._own.used > IDLE:
            connection.close()
        return connection


def with_plus(value: str) -> str:
    """Encode as Entra ID was seen to: plus for a space, and quotes as they are."""
    return quote_plus(value, safe=QUOTE)


def with_percent(value: str) -> str:
    """Encode as Okta's documentation shows: a percent code for a space, and for quotes too."""
    return quote(value, safe="")


def pause(retry_after: str | None, attempt: int) -> float:
    """Return how long to wait before the next attempt: what the server says, or ever longer."""
    if retry_after and retry_after.isdigit():
        return min(float(retry_after), LONGEST_PAUSE)
    return min(0.5 * 2.0**attempt, 10.0)


def _new_connection(url: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    return kind(url.hostname or "", url.port, timeout=TIMEOUT)
