"""Make requests up that could make sense: paths, filters, bodies and headers, as the protocol has them."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote

from services.gateway import admin_tokens, problems
from shared.scim import messages
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import ALL, GROUPS, USERS
from tests.fuzz.material import IDS, JSON, MARK, NUMBERS, OPERATORS, TEXTS, Known, identifier, name, text, value

PREFIXES = ("/rest/scim/v2", "/rest/scim/v2", "/scim/v2")
VERSIONS = ('W/"1"', 'W/"99"', '"x"') * 25
"""What conditions are made on, as often as on any text."""

ODDS = {"If-Match": 0.15}
"""How often a header comes that comes more often than others: few requests heed it."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
SCIM, FORM = "application/scim+json", "application/x-www-form-urlencoded"
BESIDE = (
    *(
        "/healthz",
        "/rest/admin/v1/tokens",
        "/readyz",
        "/metrics",
        "/docs",
        "/docs/start.js",
        "/docs/swagger-ui.css",
        "/docs/..%2f..%2fetc",
    ),
    *("/.well-known/oauth-authorization-server", "/rest/scim/v2/openapi.json", "/rest/scim/v2/jwks.json", "/", "*"),
)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request before it is bytes: the target is percent-encoded already."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def request(draw: Random, known: Known, secrets: tuple[str, ...]) -> Request:
    """Return a request; the first of the secrets is the one that may do everything, the last an admin's."""
    target, method, body, media_type = draw.choices(list(_KINDS), list(_KINDS.values()))[0](draw, known)
    headers = [("Host", "127.0.0.1"), *_authorization(draw, _for(target, secrets)), *_conditions(draw)]
    if body or method in {"POST", "PUT", "PATCH"}:
        headers.append(("Content-Type", media_type))
    return Request(method=method, target=target, headers=tuple(headers), body=body)


def filter_(draw: Random, resource_type: ResourceType, depth: int = 0) -> str:
    """Return a filter (RFC 7644 section 3.4.2.2)."""
    kind = draw.random()
    if depth < 3 and kind < 0.25:
        word = draw.choice((" and ", " or ", " AND ", " "))
        return word.join(filter_(draw, resource_type, depth + 1) for _ in range(draw.choice((2, 2, 3))))
    if depth < 3 and kind < 0.4:
        return f"{draw.choice(('not ', '', 'not'))}({filter_(draw, resource_type, depth + 1)})"
    if depth < 3 and kind < 0.5:
        return f"{name(draw, resource_type).split('[')[0]}[{filter_(draw, resource_type, depth + 1)}]"
    operator = draw.choice(OPERATORS)
    literal = "" if operator == "pr" else f" {_literal(draw)}"
    return f"{name(draw, resource_type)} {operator}{literal}"


def resource(draw: Random, resource_type: ResourceType, known: Known) -> dict[str, Any]:
    """Return a resource with some of its attributes."""
    found: dict[str, Any] = {"schemas": [schema.id for schema in resource_type.schemas]}
    found |= {"userName": text(draw)} if resource_type is USERS else {"displayName": text(draw)}
    for schema, attribute in resource_type.walk():
        if draw.random() < 0.15:
            place = found.setdefault(schema.id, {}) if schema is not resource_type.schema else found
            place[attribute.name] = value(draw, attribute, known)
    return found


def patch(draw: Random, resource_type: ResourceType, known: Known) -> dict[str, Any]:
    """Return a PATCH message (RFC 7644 section 3.5.2)."""
    return {
        "schemas": [messages.PATCH_OP],
        "Operations": [_operation(draw, resource_type, known) for _ in range(draw.choice((1, 1, 2, 4)))],
    }


def bulk(draw: Random, known: Known) -> dict[str, Any]:
    """Return a bulk request (RFC 7644 section 3.7)."""
    made = [_of_bulk(draw, known, number) for number in range(draw.choice((1, 2, 4)))]
    given: dict[str, Any] = {"schemas": [messages.BULK_REQUEST], "Operations": made}
    return given | ({"failOnErrors": draw.choice((1, 0, -1, "1"))} if draw.random() < 0.2 else {})


def query(draw: Random, resource_type: ResourceType, known: Known) -> dict[str, Any]:
    """Return what a list is asked for: by the names of a query, which those of a search are."""
    given: dict[str, Any] = {"count": draw.choice((0, 1, 2, 3))}
    chances: Mapping[str, Callable[[], Any]] = {
        "filter": lambda: filter_(draw, resource_type),
        "sortBy": lambda: name(draw, resource_type),
        "sortOrder": lambda: draw.choice(("ascending", "descending", "x")),
        "startIndex": lambda: draw.choice((*NUMBERS, 1, 2)),
        "count": lambda: draw.choice((*NUMBERS, 5)),
        "cursor": lambda: draw.choice((*known.cursors, "", "x.y.z")),
        "attributes": lambda: ",".join(name(draw, resource_type) for _ in range(draw.choice((1, 2, 5)))),
        "excludedAttributes": lambda: ",".join(name(draw, resource_type) for _ in range(draw.choice((1, 2)))),
    }
    for parameter, make in chances.items():
        if draw.random() < 0.25:
            given[parameter] = make()
    return given


def dumps(document: Any) -> bytes:
    """Return JSON, and what only looks like it: NaN, numbers beyond all bounds, halves of surrogate pairs."""
    return json.dumps(document).encode()


def encoded64(document: Any) -> str:
    """Return JSON in base64, as tokens and places in lists have it."""
    return base64.urlsafe_b64encode(dumps(document)).decode().rstrip("=")


def _literal(draw: Random) -> str:
    kind = draw.random()
    if kind < 0.6:
        return json.dumps(text(draw), ensure_ascii=draw.random() < 0.5)
    return str(draw.choice(NUMBERS)) if kind < 0.75 else draw.choice(("true", "false", "null", *TEXTS))


def _operation(draw: Random, resource_type: ResourceType, known: Known) -> dict[str, Any]:
    given: dict[str, Any] = {"op": draw.choice(("add", "replace", "remove", "Add", "Replace", "x"))}
    _, attribute = draw.choice(list(resource_type.walk()))
    if draw.random() < 0.3:
        return given | {"value": {attribute.name: value(draw, attribute, known), name(draw): draw.choice(JSON)}}
    path = attribute.name if draw.random() < 0.5 else name(draw, resource_type)
    return given | {"path": path, "value": value(draw, attribute, known)}


def _of_bulk(draw: Random, known: Known, number: int) -> dict[str, Any]:
    kind, method = draw.choice(ALL), draw.choice(("POST", "PUT", "PATCH", "DELETE", "GET"))
    place = kind.endpoint if method == "POST" else f"{kind.endpoint}/{identifier(draw, known)}"
    member = {"members": [{"value": f"bulkId:{draw.choice((number, number + 1, 'x'))}"}]} if kind is GROUPS else {}
    body = patch(draw, kind, known) if method == "PATCH" else resource(draw, kind, known) | member
    return {"method": method, "path": place, "bulkId": str(number), "data": body}


_Made = tuple[str, str, bytes, str]


def _list(draw: Random, known: Known) -> _Made:
    kind = draw.choice(ALL)
    asked = query(draw, kind, known)
    pairs = "&".join(f"{key}={quote(str(each), safe='', errors='surrogatepass')}" for key, each in asked.items())
    return f"{draw.choice(PREFIXES)}{draw.choice((kind.endpoint, kind.endpoint, ''))}?{pairs}", "GET", b"", SCIM


def _one(draw: Random, known: Known) -> _Made:
    kind, method = draw.choice(ALL), draw.choice(("GET", "PUT", "PATCH", "DELETE"))
    target = f"{draw.choice(PREFIXES)}{kind.endpoint}/{quote(identifier(draw, known), safe='')}"
    body = {"PUT": resource, "PATCH": patch}.get(method)
    return target, method, b"" if body is None else dumps(body(draw, kind, known)), SCIM


def _create(draw: Random, known: Known) -> _Made:
    kind = draw.choice(ALL)
    return f"{draw.choice(PREFIXES)}{kind.endpoint}", "POST", dumps(resource(draw, kind, known)), SCIM


def _bulk(draw: Random, known: Known) -> _Made:
    return f"{draw.choice(PREFIXES)}/Bulk", "POST", dumps(bulk(draw, known)), SCIM


def _search(draw: Random, known: Known) -> _Made:
    kind = draw.choice(ALL)
    asked = query(draw, kind, known)
    lists = {key: each.split(",") for key, each in asked.items() if key.endswith("ttributes")}
    body = {"schemas": [messages.SEARCH_REQUEST]} | asked | lists
    return f"{draw.choice(PREFIXES)}{draw.choice((kind.endpoint, ''))}/.search", "POST", dumps(body), SCIM


def _beside(draw: Random, known: Known) -> _Made:
    discovered = ("/Schemas", "/ResourceTypes", "/ServiceProviderConfig", "/Me", "/Nothing", "/Schemas/urn:x")
    result = f"/Operations/{draw.choice(known.results or IDS)}"
    target = draw.choice((*BESIDE, *(draw.choice(PREFIXES) + each for each in (*discovered, result))))
    return target, draw.choice(METHODS), b"", SCIM


def _token(draw: Random, _: Known) -> _Made:
    parts = {
        "grant_type": draw.choice(("client_credentials", "client_credentials", "password", "")),
        "client_id": draw.choice((*IDS, *TEXTS)),
        draw.choice(("client_secret", "client_assertion")): draw.choice((MARK, "a.b.c", *TEXTS)),
        "client_assertion_type": draw.choice(("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "x")),
        "scope": draw.choice(("scim", "read", "read  write", "\x00")),
    }
    chosen = [(key, each) for key, each in parts.items() if draw.random() < 0.8]
    body = "&".join(f"{key}={quote(each, safe='', errors='surrogatepass')}" for key, each in chosen)
    return "/oauth/token", "POST", body.encode(), FORM


def _admin(draw: Random, known: Known) -> _Made:
    """Ask the admin API for something; what it does to tokens it does to those that it made."""
    one = f"{admin_tokens.PATH}/{draw.choice(known.tokens or IDS)}"
    creation = {
        "name": text(draw),
        "scopes": draw.choice((["read"], ["read", "users"], ["admin"], *JSON)),
        "networks": draw.choice((["10.0.0.0/8"], ["::1"], [text(draw)], *JSON)),
        "expiresInDays": draw.choice((1, 3651, *JSON)),
    }
    bodies: Mapping[str, Any] = {
        admin_tokens.PATH: {"name": text(draw)} | {key: each for key, each in creation.items() if draw.random() < 0.4},
        f"{one}/rotate": {"overlapSeconds": draw.choice((0, 60, *JSON))} if draw.random() < 0.8 else {},
        f"{one}/retire": {},
        f"{one}/revoke": {},
        one: None,
    }
    target, body = draw.choice(list(bodies.items()))
    return target, "GET" if body is None else "POST", dumps(body) if body else b"", "application/json"


_KINDS: Mapping[Callable[[Random, Known], _Made], int] = {
    _list: 40, _one: 30, _create: 8, _search: 10, _bulk: 3, _beside: 6, _token: 3, _admin: 2,
}  # fmt: skip


def _for(target: str, secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return secrets of which the first opens a target."""
    return (secrets[-1], *secrets) if target.startswith(problems.PREFIX) else secrets


def _authorization(draw: Random, secrets: tuple[str, ...]) -> list[tuple[str, str]]:
    if draw.random() < 0.94:
        return [("Authorization", f"Bearer {secrets[0]}")]
    wrong = ("", "Bearer", "Basic eDp5", "Basic !", "Bearer a.b.c", "Bearer " + "x" * 3_000, "\x80")
    return [("Authorization", draw.choice((*(f"Bearer {each}" for each in secrets), *wrong)))]


def _conditions(draw: Random) -> list[tuple[str, str]]:
    chances = {
        "If-Match": (*VERSIONS, "*", *TEXTS),
        "If-None-Match": (*VERSIONS, "*", "W/", *TEXTS),
        "Prefer": ("respond-async", "return=minimal", "wait=0", "respond-async, wait=1", *TEXTS),
        "Idempotency-Key": (f'"{draw.randrange(5_000)}"', '"', "x", *TEXTS),
        "X-Request-ID": ("r" * 200, "plain", " "),
        "Accept-Encoding": ("gzip", "identity;q=0", "*"),
        "X-Forwarded-For": ("198.51.100.7", "x", "::ffff:1.2.3.4", "1.2.3.4:5"),
        "Content-Encoding": ("gzip", "identity"),
        "Cookie": ("a=b", "=" * 50),
    }
    return [(key, draw.choice(given)) for key, given in chances.items() if draw.random() < ODDS.get(key, 0.04)]
