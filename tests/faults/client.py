"""One SCIM client over HTTP: sends a request until its outcome is known, and writes down each attempt."""

import http.client
import threading
import time
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson

from shared.scim import messages, resource_types, versions
from shared.scim.schemas import group, user
from tests.faults.records import Attempt, Do, Request, Verdict
from tests.faults.requests import USER

PREFIX = "/rest/scim/v2"
SCHEMAS = {USER: (user.URN, "userName"), "Group": (group.URN, "displayName")}
LONGEST_PAUSE = 1.0
"""What Retry-After says is shortened to this, so that a run goes on."""
UNREACHABLE_PAUSE = 0.1
UNREACHABLE = "no connection: "
PATIENCE = 60.0
"""How long a client that is told to stop goes on asking for the outcome of its last request."""
EXTRA_SECONDS = 10.0
"""How much longer than the deadline a client waits, to see by how much the deadline is missed."""


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A tenant as its clients know it: its token, and the ids of its resources by slot."""

    name: str
    secret: str
    ids: MutableMapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: Any


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The time of a run: seconds since its beginning."""

    zero: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self.zero


class Client:
    """One connection with a token; it is opened again whenever it was lost."""

    def __init__(
        self,
        number: int,
        tenant: Tenant,
        address: str,
        deadline: float,
        clock: Clock,
        record: Callable[[Attempt], None],
    ) -> None:
        self.number, self._tenant, self._clock, self._record = number, tenant, clock, record
        self._connection = http.client.HTTPConnection(address, timeout=deadline + EXTRA_SECONDS)

    def run(
        self, requests: Iterable[Request], stopped: threading.Event, pace: float = 0.0, patience: float = PATIENCE
    ) -> None:
        """Send one request after another until told to stop; each at least `pace` seconds after the one before."""
        for request in requests:
            if stopped.is_set():
                break
            begun = self._clock.now()
            self.settle(request, stopped, patience)
            stopped.wait(max(0.0, begun + pace - self._clock.now()))
        self._connection.close()

    def settle(self, request: Request, stopped: threading.Event, patience: float) -> None:
        """Send a request until its outcome is known; once told to stop, for `patience` seconds at most."""
        given_up: float | None = None
        attempt = 0
        while given_up is None or self._clock.now() < given_up:
            attempt += 1
            record = self._attempt(request, attempt)
            self._record(record)
            if record.verdict is Verdict.REFUSED and request.do is Do.CREATE and attempt > 1:
                self._find(request)
            if record.verdict in {Verdict.OK, Verdict.REFUSED, Verdict.ERROR}:
                return
            if stopped.is_set() and given_up is None:
                given_up = self._clock.now() + patience
            time.sleep(_pause(record))

    def _attempt(self, request: Request, attempt: int) -> Attempt:
        method, path, body = _message(request, self._tenant.ids)
        request_id = f"{self._tenant.name}.{self.number}.{request.number}.{attempt}"
        start = self._clock.now()
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError as error:
            return self._written(request, attempt, request_id, start, None, UNREACHABLE + type(error).__name__)
        try:
            answer = self._send(method, path, body, request_id)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            return self._written(request, attempt, request_id, start, None, type(error).__name__)
        if request.do is Do.CREATE and answer.status == HTTPStatus.CREATED:
            self._tenant.ids[request.slot] = answer.body["id"]
        return self._written(request, attempt, request_id, start, answer, None)

    def _send(self, method: str, path: str, body: Any, request_id: str) -> Answer:
        headers = {
            "Authorization": f"Bearer {self._tenant.secret}",
            "Content-Type": "application/scim+json",
            "X-Request-ID": request_id,
        }
        payload = None if body is None else orjson.dumps(body)
        self._connection.request(method, PREFIX + path, payload, headers)
        response = self._connection.getresponse()
        content = response.read()
        return Answer(response.status, response.headers, orjson.loads(content) if content else None)

    def _written(
        self, request: Request, attempt: int, request_id: str, start: float, answer: Answer | None, error: str | None
    ) -> Attempt:
        return Attempt(
            request_id=request_id,
            client=self.number,
            tenant=self._tenant.name,
            attempt=attempt,
            resource_id=self._tenant.ids.get(request.slot),
            start=start,
            end=self._clock.now(),
            status=answer.status if answer else None,
            verdict=Verdict.UNREACHABLE if (error or "").startswith(UNREACHABLE) else _verdict(answer),
            version=_version(answer),
            retry_after=answer.headers.get("Retry-After") if answer else None,
            error=error or _detail(answer),
            **vars(request),
        )

    def _find(self, request: Request) -> None:
        """Look for a resource which is there although nobody was told its id."""
        _, name = SCHEMAS[request.resource_type]
        wanted = quote(f'{name} eq "{_name(request)}"')
        try:
            path = f"{_endpoint(request)}?filter={wanted}"
            answer = self._send("GET", path, None, f"{self._tenant.name}.find")
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            return
        found = answer.body.get("Resources", []) if answer.status == HTTPStatus.OK else []
        if found:
            self._tenant.ids[request.slot] = found[0]["id"]


def _message(request: Request, ids: MutableMapping[str, str]) -> tuple[str, str, Any]:
    """Return method, path and body of a request."""
    if request.do is Do.CREATE:
        urn, name = SCHEMAS[request.resource_type]
        return "POST", _endpoint(request), {"schemas": [urn], name: _name(request)}
    path = f"{_endpoint(request)}/{ids.get(request.slot, 'unknown')}"
    if request.do in {Do.READ, Do.DELETE}:
        return "GET" if request.do is Do.READ else "DELETE", path, None
    return "PATCH", path, {"schemas": [messages.PATCH_OP], "Operations": [_operation(request, ids)]}


def _operation(request: Request, ids: MutableMapping[str, str]) -> dict[str, Any]:
    """Return the one operation of a PATCH; a single member is removed in the way of Entra ID, others in Okta's."""
    if request.do is Do.SET:
        return {"op": "replace", "path": "title", "value": request.values[0]}
    members = [{"value": ids[slot]} for slot in request.values]
    if request.do is Do.REMOVE and len(members) == 1:
        return {"op": "remove", "path": f'members[value eq "{members[0]["value"]}"]'}
    return {"op": str(request.do), "path": "members", "value": members}


def _endpoint(request: Request) -> str:
    return resource_types.BY_NAME[request.resource_type].endpoint


def _name(request: Request) -> str:
    return f"{request.slot}@example.com" if request.resource_type == USER else request.slot


def _verdict(answer: Answer | None) -> Verdict:
    match answer.status if answer else None:
        case None | 504:
            return Verdict.UNKNOWN
        case 503:
            return Verdict.UNAVAILABLE
        case 429:
            return Verdict.BUSY
        case int(status) if status < 300:
            return Verdict.OK
        case int(status) if status < 500:
            return Verdict.REFUSED
        case _:
            return Verdict.ERROR


def _version(answer: Answer | None) -> int | None:
    tag = answer.headers.get("ETag") if answer else None
    return versions.number(tag) if tag else None


def _detail(answer: Answer | None) -> str | None:
    if answer is None or answer.status < 400 or not isinstance(answer.body, dict):
        return None
    return str(answer.body.get("detail", ""))[:120]


def _pause(record: Attempt) -> float:
    if record.retry_after is not None and record.retry_after.isdigit():
        return min(LONGEST_PAUSE, float(record.retry_after))
    return UNREACHABLE_PAUSE
