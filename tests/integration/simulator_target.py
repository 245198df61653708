"""A small SCIM server in memory, strict about the shapes that the simulator sends, with faults to switch on.

It shares no code with the simulator or with Muster, so that a mistake in either does not hide in it.
"""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "secret-of-the-test"
BASE = "/scim/v2"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
VALUE_PATH = re.compile(r'(\w+)\[(\w+) eq "([^"]*)"\](?:\.(\w+))?')
CONDITION = re.compile(r'(\w+) eq "([^"]*)"')

Resource = dict[str, Any]


class Fault(Enum):
    """A mistake that real servers were seen to make."""

    LOSES_A_MEMBER = auto()
    IGNORES_FALSE_AS_TEXT = auto()
    EMPTIES_GROUP_ON_REMOVE = auto()
    REFUSES_PATCH = auto()
    KEEPS_DELETED = auto()
    BUSY_AT_FIRST = auto()
    DROPS_FIRST_CREATE_ANSWER = auto()
    CREATES_WITHOUT_BODY = auto()
    IGNORES_ACTIVE_IN_PUT = auto()
    REFUSES_ID_IN_PATCH = auto()
    TAKES_LEAVERS_BACK = auto()
    CREATES_LEAVERS_ANEW = auto()


class Refusal(Exception):  # noqa: N818 - it is an answer of the protocol.
    """The request gets this status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Directory:
    """The resources, and the rules for changing them; with a meeting, PATCHes of groups wait until enough have come."""

    def __init__(self, *faults: Fault) -> None:
        self.lock = threading.Lock()
        self.faults = set(faults)
        self.requests: list[tuple[str, str, Any]] = []
        self.meeting: threading.Barrier | None = None
        self.resources: dict[str, dict[str, Resource]] = {"Users": {}, "Groups": {}}

    def once(self, fault: Fault) -> bool:
        """Tell whether the fault is on, and switch it off."""
        is_on = fault in self.faults
        self.faults.discard(fault)
        return is_on

    def listed(self, kind: str, query: dict[str, str]) -> Resource:
        terms = [term.strip() for term in query.get("filter", "").split(" and ") if term]
        found = [r for r in self.resources[kind].values() if all(matches(r, term) for term in terms)]
        start, count = int(query.get("startIndex", 1)), int(query.get("count", 100))
        page = [projected(r, query) for r in found[start - 1 : start - 1 + count]]
        return {"totalResults": len(found), "itemsPerPage": len(page), "startIndex": start, "Resources": page}

    def create(self, kind: str, body: Resource) -> Resource:
        if kind == "Users" and not body["schemas"][0].endswith(":User"):
            raise Refusal(400, "schemas")
        name = "userName" if kind == "Users" else "displayName"
        taken = next((r for r in self.resources[kind].values() if r[name].lower() == body[name].lower()), None)
        if taken and Fault.TAKES_LEAVERS_BACK in self.faults:
            taken.update(body)
            return taken
        if taken and Fault.CREATES_LEAVERS_ANEW not in self.faults:
            raise Refusal(409, "uniqueness")
        resource = {**body, "id": str(uuid.uuid4())}
        self.resources[kind][resource["id"]] = resource
        return resource

    def put(self, kind: str, resource: Resource, body: Resource) -> Resource:
        if body["id"] != resource["id"]:
            raise Refusal(400, "mutability: id")
        if Fault.IGNORES_ACTIVE_IN_PUT in self.faults and kind == "Users":
            body = {**body, "active": resource["active"]}
        if kind == "Groups" and Fault.LOSES_A_MEMBER in self.faults:
            body = {**body, "members": body["members"][1:]}
        self.resources[kind][resource["id"]] = body
        return body

    def patch(self, kind: str, resource: Resource, body: Resource) -> None:
        if Fault.REFUSES_PATCH in self.faults:
            raise Refusal(400, "invalidPath: this server does not patch")
        for operation in body["Operations"]:
            op, path, value = operation["op"].lower(), operation.get("path"), operation.get("value")
            if kind == "Groups" and (path or "").startswith("members"):
                self._members(resource, op, path, value)
            elif path is None:
                if Fault.REFUSES_ID_IN_PATCH in self.faults and "id" in value:
                    raise Refusal(400, "mutability: id")
                for name, each in value.items():
                    self._set(resource, name, each)
            else:
                self._set(resource, path, value)

    def delete(self, kind: str, resource: Resource) -> None:
        if Fault.KEEPS_DELETED in self.faults:
            return
        del self.resources[kind][resource["id"]]
        for group in self.resources["Groups"].values():
            group["members"] = [m for m in group["members"] if m["value"] != resource["id"]]

    def _members(self, group: Resource, op: str, path: str, value: Any) -> None:
        held = [member["value"] for member in group["members"]]
        match = VALUE_PATH.fullmatch(path)
        named = [match[3]] if match else [member["value"] for member in value]
        if op == "add":
            if unknown := set(named) - set(self.resources["Users"]):
                raise Refusal(400, f"invalidValue: {unknown}")
            lost = self.once(Fault.LOSES_A_MEMBER)
            held += [] if lost else [user for user in named if user not in held]
        elif op == "replace":
            held = named
        elif op == "remove":
            held = [] if Fault.EMPTIES_GROUP_ON_REMOVE in self.faults else [u for u in held if u not in named]
        group["members"] = [{"value": user} for user in held]

    def _set(self, resource: Resource, path: str, value: Any) -> None:
        if path == "active":
            if isinstance(value, str):
                value = value == "True" or (Fault.IGNORES_FALSE_AS_TEXT in self.faults)
            resource["active"] = value
        elif path in {"manager", f"{ENTERPRISE}:manager"}:
            manager = value[0]["value"] if isinstance(value, list) else value
            resource.setdefault(ENTERPRISE, {})["manager"] = {"value": manager} if manager else None
        elif match := VALUE_PATH.fullmatch(path):
            self._element(resource, match)[match[4]] = value
        else:
            holder = resource.setdefault(ENTERPRISE, {}) if path.startswith(ENTERPRISE) else resource
            *parents, leaf = path.removeprefix(f"{ENTERPRISE}:").split(".")
            for parent in parents:
                holder = holder.setdefault(parent, {})
            holder[leaf] = value

    def _element(self, resource: Resource, match: re.Match[str]) -> Resource:
        elements = resource.setdefault(match[1], [])
        for element in elements:
            if element.get(match[2]) == match[3]:
                return element  # type: ignore[no-any-return]
        elements.append({match[2]: match[3]})
        return elements[-1]  # type: ignore[no-any-return]


def matches(resource: Resource, term: str) -> bool:
    match = CONDITION.fullmatch(term)
    if match is None:
        raise Refusal(400, f"invalidFilter: {term}")
    name, text = match[1], match[2]
    if name == "members":
        return any(member["value"] == text for member in resource["members"])
    if name == "manager":
        return ((resource.get(ENTERPRISE) or {}).get("manager") or {}).get("value") == text
    if name in {"userName", "displayName"}:
        return bool(resource[name].lower() == text.lower())
    if name in {"id", "externalId"}:
        return bool(resource.get(name) == text)
    raise Refusal(400, f"invalidFilter: {name}")


def projected(resource: Resource, query: dict[str, str]) -> Resource:
    return {name: value for name, value in resource.items() if name != query.get("excludedAttributes")}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # One packet for each answer: in two, delayed acknowledgement costs 40 ms.
    directory: Directory

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's.
        pass

    def answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        try:
            status, answer = self.respond(parts.path.removeprefix(BASE), query, body)
        except Refusal as refusal:
            status, answer = refusal.status, {"status": str(refusal.status), "detail": str(refusal)}
        if status:
            self.reply(status, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names are the base class's.

    def respond(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        directory = self.directory
        if directory.meeting and self.command == "PATCH" and path.startswith("/Groups/"):
            directory.meeting.wait(timeout=30)
        with directory.lock:
            directory.requests.append((self.command, self.path, body))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                raise Refusal(401, "unknown token")
            if path in {"/Schemas", "/ServiceProviderConfig"}:
                return 200, {"totalResults": 0, "Resources": []}
            if directory.once(Fault.BUSY_AT_FIRST):
                raise Refusal(503, "never applied")
            _, kind, *ids = path.split("/")
            if kind not in directory.resources:
                raise Refusal(404, "no such endpoint")
            return self.on_resource(kind, ids[0], query, body) if ids else self.on_list(kind, query, body)

    def on_list(self, kind: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if self.command == "GET":
            return 200, self.directory.listed(kind, query)
        if self.headers["Content-Type"] != "application/scim+json; charset=utf-8":
            raise Refusal(415, "media type")
        created = self.directory.create(kind, body)
        if self.directory.once(Fault.DROPS_FIRST_CREATE_ANSWER):
            self.close_connection = True
            return 0, None
        return 201, None if self.directory.once(Fault.CREATES_WITHOUT_BODY) else created

    def on_resource(self, kind: str, key: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        resource = self.directory.resources[kind].get(key)
        if resource is None:
            raise Refusal(404, "no such resource")
        if self.command == "DELETE":
            self.directory.delete(kind, resource)
            return 204, None
        if self.command == "PUT":
            return 200, self.directory.put(kind, resource, body)
        if self.command == "PATCH":
            self.directory.patch(kind, resource, body)
            return (200, resource) if kind == "Users" else (204, None)
        return 200, projected(resource, query)

    def reply(self, status: int, body: Any) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "0")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(directory: Directory) -> Iterator[str]:
    """Serve the directory on a free port of loopback, and yield its base URL."""
    handler = type("BoundHandler", (Handler,), {"directory": directory})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{BASE}"
        finally:
            server.shutdown()
            thread.join()
