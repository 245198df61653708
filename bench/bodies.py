"""The requests of the benches as bytes: what Entra ID sends to create, match and read people, and to fill groups.

Each is made from a template, so that making one costs next to nothing. The records are handed to the process that
sends the load.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from urllib.parse import quote
from uuid import uuid4

import orjson

from shared.scim import messages
from shared.scim.schemas import enterprise, group, user


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where requests go: the path before `/Users`, the host, and who asks."""

    address: str
    prefix: str
    token: str

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Return a whole request."""
        lines = [
            f"{method} {self.prefix}{path} HTTP/1.1",
            f"Host: {self.address}",
            f"Authorization: Bearer {self.token}",
            "Accept: application/scim+json",
        ]
        if body:
            lines += ["Content-Type: application/scim+json", f"Content-Length: {len(body)}"]
        return "\r\n".join((*lines, "\r\n")).encode() + body


@dataclass(frozen=True, kw_only=True)
class Creates:
    """People who were not there before, without end."""

    target: Target

    def __call__(self) -> Iterator[bytes]:
        run = uuid4().hex[:12]
        for number in count(1):
            yield self.target.request("POST", "/Users", orjson.dumps(person(f"{run}{number:08}")))


@dataclass(frozen=True, kw_only=True)
class Gets:
    """The same paths again and again, in a made-up order."""

    target: Target
    paths: Sequence[str]
    seed: int = 1

    def __call__(self) -> Iterator[bytes]:
        chosen = random.Random(self.seed)  # noqa: S311 - a repeatable order, not a secret.
        made = [self.target.request("GET", path) for path in self.paths]
        while True:
            yield chosen.choice(made)


@dataclass(frozen=True, kw_only=True)
class Once:
    """These requests, one after the other, and no more."""

    requests: Sequence[bytes]

    def __call__(self) -> Iterator[bytes]:
        yield from self.requests


def person(number: str) -> dict[str, object]:
    """Return the POST that creates somebody, as Entra ID sends it with its default mapping."""
    name = f"person{number}@bench.example"
    return {
        "schemas": [user.URN, enterprise.URN],
        "externalId": f"bench-{number}",
        "userName": name,
        "active": True,
        "displayName": f"Person {number}",
        "name": {"formatted": f"Person {number}", "givenName": "Person", "familyName": number},
        "title": "Measurer",
        "preferredLanguage": "en-GB",
        "emails": [{"primary": True, "type": "work", "value": name}],
        "phoneNumbers": [{"type": "work", "value": "+41 44 555 01 01"}, {"type": "mobile", "value": "+41 79 555 0101"}],
        enterprise.URN: {"department": "Bench", "employeeNumber": number},
    }


def match(name: str) -> str:
    """Return the path of the match query."""
    return "/Users?filter=" + quote(f'userName eq "{name}"')


def adding(target: Target, group_id: str, members: Sequence[str]) -> bytes:
    """Return the PATCH that adds members to a group."""
    value = [{"$ref": None, "value": member} for member in members]
    return target.request("PATCH", f"/Groups/{group_id}", _patch("Add", value))


def role(name: str) -> dict[str, object]:
    """Return the POST that creates an empty group."""
    return {"schemas": [group.URN], "displayName": name, "externalId": name}


def _patch(op: str, value: object) -> bytes:
    message = {"schemas": [messages.PATCH_OP], "Operations": [{"op": op, "path": "members", "value": value}]}
    return orjson.dumps(message)
