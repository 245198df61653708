"""Damage requests: their texts, their JSON, their bytes, and the way in which HTTP says where one ends."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.fuzz import grammar
from tests.fuzz.grammar import METHODS, Request
from tests.fuzz.material import JSON, MARK, TEXTS

CROSSED = 4_000
"""Characters of each of two texts that are crossed, at most: of more of them fewer would be tried."""

VERBS = (*METHODS, "TRACE", "CONNECT", "PROPFIND", "get", "QUERY", "X" * 30)
FRAMES = (
    *(b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: -1", b"Content-Length: +5", b"Content-Length: 1e2"),
    *(b"Content-Length: 5, 6", b"Content-Length: 99999999999999999999", b"Content-Length : 5", b"content-length: 5"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: xchunked"),
    *(b"Transfer-Encoding:\x0bchunked", b"Expect: 100-continue", b"Expect: x", b"Upgrade: h2c", b"X:y", b": x"),
    *(b" folded", b"Na me: x", b"X: a\x00b", b"X: a\rb", b"Host: a", b"Host: a, b", b"Host:", b"X" * 40_000),
    *(b"Connection: close", b"Connection: keep-alive, Authorization", b"X: " + b"y" * 40_000, b"X_Y: 1", b"\xff: \xff"),
    *(b"SCRIPT_NAME: /rest", b"SCRIPT_NAME: /x", b"PATH_INFO: /x", b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: on"),
)
NAMED = frozenset({"op", "path"})
"""What names something in a PATCH; a name is told in the log when the message is refused, whatever it is."""

LINES = (
    *(b"GET / HTTP/1.0", b"GET / HTTP/3.7", b"GET /", b"GET  / HTTP/1.1", b"GET http://[::1 HTTP/1.1", b"\x16\x03\x01"),
    *(b"PRI * HTTP/2.0", b"GET \xff HTTP/1.1", b"GET /%ff HTTP/1.1", b"GET /" + b"x" * 140_000 + b" HTTP/1.1", b""),
    *(b"GET //[/ HTTP/1.1", b"GET http://x:y/ HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1"),
)  # fmt: skip


_TOKEN = re.compile(r"[A-Za-z0-9_.:-]+|\s+|.", re.DOTALL)
"""What filters, paths, queries, headers and JSON are read as: names and numbers, spaces, and each other character."""


def damaged(draw: Random, request: Request) -> Request:
    """Return a request with some of it changed, of which HTTP still says where it ends."""
    for _ in range(draw.choice((0, 0, 1, 1, 2, 4))):
        request = draw.choice(_WAYS)(draw, request)
    return request


def encoded(request: Request) -> bytes:
    """Return a request as bytes; nothing in its head breaks a line."""
    lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{key}: {value}" for key, value in request.headers)]
    head = [line.translate(_UNBROKEN).encode("utf-8", "replace") for line in lines]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(request.body), b"", request.body])


def broken(draw: Random, request: Request) -> bytes:
    """Return bytes that may not even be a request, and more than one."""
    head, _, body = encoded(request).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for _ in range(draw.choice((1, 1, 2, 3))):
        lines.insert(draw.randrange(1, len(lines) + 1), draw.choice(FRAMES))
    if draw.random() < 0.2:
        lines[0] = draw.choice(LINES)
    if draw.random() < 0.3:
        lines = [line for line in lines if not line.startswith(b"Content-Length: ")] + [draw.choice(FRAMES)]
    if draw.random() < 0.3:
        body = _chunked(draw, body)
    end = draw.choice((b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"))
    whole = end.join(lines) + end + end + body
    if draw.random() < 0.3:
        whole = bytes_(draw, whole)
    return whole * draw.choice((1, 1, 1, 2)) + draw.choice((b"", b"", b"GARBAGE", b"GET /healthz HTTP/1.1\r\n\r\n"))


def text(draw: Random, given: str) -> str:
    """Return a text with a piece put in, taken away, doubled or moved."""
    place, end = sorted((draw.randrange(len(given) + 1), draw.randrange(len(given) + 1)))
    piece = draw.choice(TEXTS) if draw.random() < 0.7 else chr(draw.randrange(0x20, 0x2FF))
    match draw.randrange(4):
        case 0:
            return given[:place] + piece + given[place:]
        case 1:
            return given[:place] + given[end:]
        case 2:
            return given[:end] + given[place:end] + given[end:]
        case _:
            return given[:place] + piece + given[end:]


def crossed(draw: Random, given: str, other: str) -> str:
    """Return a text with some of its tokens replaced by some of another's, so that each half is still understood."""
    tokens, others = _TOKEN.findall(given[:CROSSED]), _TOKEN.findall(other[:CROSSED])
    begin, end = _span(draw, tokens)
    taken = slice(*_span(draw, others))
    return "".join((*tokens[:begin], *others[taken], *tokens[end:]))


def blended(draw: Random, given: str, other: str) -> str:
    """Return a text with a part of another: of JSON mostly a whole part, so that it stays JSON."""
    if given[:1] + other[:1] == "{{" and draw.random() < 0.9:
        return _crossed_body(draw, given.encode(errors="replace"), other.encode(errors="replace")).decode()
    return crossed(draw, given, other)


def mated(draw: Random, request: Request, other: Request) -> Request:
    """Return a request with some of its target, a header, or of its body from another one."""
    match draw.randrange(3):
        case 0:
            return replace(request, target=crossed(draw, request.target, other.target) or "/")
        case 1:
            return replace(request, headers=(*request.headers, draw.choice(other.headers)))
        case _:
            return replace(request, body=_crossed_body(draw, request.body, other.body))


def grafted(draw: Random, given: Any, other: Any) -> Any:
    """Return JSON of which one part is a part of another document; no value gets into the place of a name."""
    if isinstance(given, dict) and given and draw.random() < 0.8:
        key = draw.choice(list(given))
        part = grafted(draw, given[key], other)
        return given if key in NAMED and MARK in str(part) else given | {key: part}
    if isinstance(given, list) and given and draw.random() < 0.8:
        place = draw.randrange(len(given))
        return [*given[:place], grafted(draw, given[place], other), *given[place + draw.randrange(2) :]]
    return _part(draw, other)


def bytes_(draw: Random, given: bytes) -> bytes:
    """Return bytes of which some are others."""
    changed = bytearray(given)
    for _ in range(draw.choice((1, 1, 3, 9))):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(3):
            case 0:
                changed[place:place] = bytes((draw.randrange(256),))
            case 1:
                del changed[place : place + draw.choice((1, 2, 40))]
            case _:
                changed[place : place + 1] = bytes((draw.randrange(256),))
    return bytes(changed)


def json_(draw: Random, given: Any) -> Any:
    """Return JSON of which one part is another."""
    if isinstance(given, dict) and given and draw.random() < 0.85:
        key = draw.choice(list(given))
        match draw.randrange(5):
            case 0:
                return {each: given[each] for each in given if each != key}
            case 1:
                return given | {text(draw, key): given[key]}
            case _:
                return given | {key: json_(draw, given[key])}
    if isinstance(given, list) and given and draw.random() < 0.85:
        place = draw.randrange(len(given))
        return [*given[:place], json_(draw, given[place]), *given[place + draw.randrange(2) :]]
    if isinstance(given, str) and draw.random() < 0.5:
        return text(draw, given)
    return _nested(given, draw.choice((1, 3, 31, 33))) if draw.random() < 0.1 else draw.choice(JSON)


def _crossed_body(draw: Random, body: bytes, other: bytes) -> bytes:
    try:
        return grammar.dumps(grafted(draw, json.loads(body), json.loads(other)))
    except (ValueError, RecursionError):
        return other


def _span(draw: Random, tokens: Sequence[str]) -> tuple[int, int]:
    """Return where a run of tokens begins and ends: mostly few of them."""
    begin = draw.randrange(len(tokens) + 1)
    return begin, min(len(tokens), begin + draw.choice((0, 1, 1, 3, 9, 1_000)))


def _part(draw: Random, given: Any) -> Any:
    while isinstance(given, dict | list) and given and draw.random() < 0.7:
        given = draw.choice(list(given.values()) if isinstance(given, dict) else given)
    return given


def _nested(given: Any, depth: int) -> Any:
    for number in range(depth):
        given = [given] if number % 2 else {"value": given}
    return given


def _method(draw: Random, request: Request) -> Request:
    return replace(request, method=draw.choice(VERBS))


def _target(draw: Random, request: Request) -> Request:
    return replace(request, target=text(draw, request.target) or "/")


def _header(draw: Random, request: Request) -> Request:
    place = draw.randrange(len(request.headers))
    key, value = request.headers[place]
    other = (key, text(draw, value)) if draw.random() < 0.8 else (text(draw, key), value)
    kept = request.headers[place + draw.randrange(2) :]
    return replace(request, headers=(*request.headers[:place], other, *kept))


def _document(draw: Random, request: Request) -> Request:
    try:
        given = json.loads(request.body)
    except (ValueError, RecursionError):
        return _body(draw, request)
    return replace(request, body=grammar.dumps(json_(draw, given)))


def _body(draw: Random, request: Request) -> Request:
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: bytes_(draw, request.body),
        lambda: request.body[: draw.randrange(len(request.body) + 1)],
        lambda: request.body * 2,
        lambda: b"\xef\xbb\xbf" + request.body,
        lambda: request.body.decode(errors="replace").encode("utf-16"),
        lambda: b"[" * draw.choice((10, 1_000, 100_000)),
        lambda: b" " * draw.choice((10, 1_048_577)) if draw.random() < 0.1 else b"",
    )
    return replace(request, body=draw.choice(kinds)())


def _chunked(draw: Random, body: bytes) -> bytes:
    size = draw.choice((b"%x" % len(body), b"%X;a=b" % len(body), b"0x5", b"-1", b"ffffffffffffffff", b"", b"zz"))
    return size + b"\r\n" + body + draw.choice((b"\r\n0\r\n\r\n", b"\r\n0\r\nX: y\r\n\r\n", b"0\r\n\r\n", b""))


_WAYS: tuple[Callable[[Random, Request], Request], ...] = (
    *(_method, _target, _target, _header, _document, _document, _document, _body),
)
_UNBROKEN = {ord("\r"): None, ord("\n"): None}
