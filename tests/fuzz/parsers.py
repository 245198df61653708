"""The parsers of what strangers send, as one table: each takes any text, and returns or refuses in its own words."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import orjson
from hypothesis import HealthCheck, given
from hypothesis import seed as seeded
from hypothesis import settings as profile
from hypothesis import strategies as st

from services.directory import addresses, token_secrets
from services.directory.listing import Key
from services.directory.portal import cursors as places
from services.directory.portal.errors import ToldError
from services.gateway import cursors, foreign_tokens, request_kinds
from services.gateway.cursors import Cursors
from shared.scim import (
    bulk,
    bulk_references,
    excerpts,
    extension_files,
    filters,
    idempotency_keys,
    messages,
    patch,
    patching,
    paths,
    preferences,
    projection,
    searches,
    validation,
    versions,
)
from shared.scim.dialects import shapes
from shared.scim.errors import SCIMError
from shared.scim.extension_files import ExtensionFileError
from shared.scim.resource_types import BUILT_IN, GROUPS, USERS
from tests.fuzz import grammar, material, mutation
from tests.fuzz.material import Known
from tests.fuzz.verdict import LONGEST_SECONDS, Finding

EXAMPLE = (Path(__file__).parents[2] / "docs" / "examples" / "badge.toml").read_text()
LONGEST, PUMPED = 20_000, 131_072
PIECES = (
    *("x", "x ", "x eq ", ' eq "', '"', '\\"', "a.b", "[", "(", ",", "; ", "=", 'a="', "W/", " ,", '", ', "a\t", " "),
    *(
        "bulkId:",
        "/",
        "/Users/",
        "urn:",
        "a[]",
        "].",
        "a[b].",
        "a and ",
        "not ",
        "1",
        "-",
        "{",
        '{"a":',
        "\n",
        "a = 1\n",
    ),
)
"""What is repeated until a text is as long as a request line."""

_CURSORS = Cursors(b"a secret of the tests", 60)
_KNOWN = Known()


@dataclass(frozen=True, kw_only=True)
class Parser:
    """What reads a text, the errors in which it refuses one, and how to make up a text that it may like."""

    read: Callable[[str], object]
    refuses: tuple[type[Exception], ...]
    make: Callable[[Random], str]
    longest: int = PUMPED
    """Characters of a text, at most; what comes from an operator's file is not a stranger's."""


class NoDocumentError(Exception):
    """A text is no JSON: the gateway has refused it before any parser of ours reads it."""


class TooSlowError(AssertionError):
    """A parser took longer for a text than anybody may be kept waiting."""


def check(parser: Parser, text: str) -> bool:
    """Give a parser a text, and return whether it took it; whatever it raises beyond its refusals is a finding.

    Raises TooSlowError, too.
    """
    is_read, begun = False, time.thread_time()
    with suppress(NoDocumentError, *parser.refuses):
        parser.read(text[: parser.longest])
        is_read = True
    if time.thread_time() - begun > LONGEST_SECONDS:
        raise TooSlowError(f"{time.thread_time() - begun:.1f} s of its own")
    return is_read


def explore(chosen: Mapping[str, Parser], count: int, seed: int) -> list[Finding]:
    """Give each of these parsers so many texts, by Hypothesis; what it finds it makes as short as it can."""
    found = []
    for name, parser in chosen.items():
        try:
            _search(parser, count, seed)
        except Exception as error:
            notes = " ".join(getattr(error, "__notes__", ()))
            found.append(Finding(what=f"parser {name}: {type(error).__name__}: {error} {notes}"))
    return found


def texts(parser: Parser) -> st.SearchStrategy[str]:
    """Return texts of all kinds: any, those that a parser may like, and those damaged; each has a form in UTF-8."""
    made = st.randoms(use_true_random=False).map(parser.make)
    bent = st.randoms(use_true_random=False).map(lambda draw: damaged(draw, parser.make(draw)))
    long = st.builds(pumped, st.sampled_from(PIECES) | st.text(min_size=1, max_size=4), st.sampled_from(material.TEXTS))
    return st.one_of(st.text(max_size=60), st.sampled_from(material.TEXTS), made, bent, long).map(encodable)


def _search(parser: Parser, count: int, seed: int) -> None:
    @seeded(seed)
    @profile(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(text=texts(parser))
    def run(text: str) -> None:
        check(parser, text)

    run()


def encodable(text: str) -> str:
    """Return a text that has a form in UTF-8, as all have that came over a wire."""
    return text.encode(errors="replace").decode()


def pumped(piece: str, end: str) -> str:
    """Return a very long text of one piece: what takes the square of a length is too slow by far then."""
    return piece * (PUMPED // len(piece)) + end


def damaged(draw: Random, text: str) -> str:
    """Return a text with some of it changed, no longer than what can be tried often."""
    for _ in range(draw.choice((1, 1, 2, 5))):
        text = mutation.text(draw, text)
    return text[:LONGEST]


def _json(read: Callable[[Any], object]) -> Callable[[str], object]:
    """Return a parser of JSON as the gateway reads it."""

    def parse(text: str) -> object:
        try:
            document = orjson.loads(text.encode(errors="surrogatepass"))
        except orjson.JSONDecodeError as error:
            raise NoDocumentError from error
        return read(document)

    return parse


def _dumped(make: Callable[[Random], Any]) -> Callable[[Random], str]:
    def made(draw: Random) -> str:
        document = make(draw)
        for _ in range(draw.choice((0, 1, 2))):
            document = mutation.json_(draw, document)
        return grammar.dumps(document).decode()

    return made


def _of_bulk(document: Any) -> None:
    request = bulk.parse(document, 1_000)
    for operation in request.operations:
        list(bulk_references.names(operation.data))
        bulk.target(operation, BUILT_IN)


def _patched(document: Any) -> object:
    return patching.apply(patch.parse(document, USERS), {"userName": "ada", "emails": [{"value": "x", "type": "work"}]})


def _query(text: str) -> object:
    return searches.of_parameters(searches.parameters(parse_qsl(text, keep_blank_values=True)))


def _search_request(draw: Random) -> Any:
    return {"schemas": [messages.SEARCH_REQUEST]} | grammar.query(draw, USERS, _KNOWN)


def _asked(draw: Random) -> str:
    return urlencode(grammar.query(draw, USERS, _KNOWN), errors="surrogatepass")


def _cursor(draw: Random) -> str:
    last = Key(draw.randrange(2), UUID(int=7))
    return _CURSORS.write(cursors.Cursor(last=last, count=1, total=1), ())


def _header(draw: Random) -> str:
    return draw.choice(('W/"1", "2", *', 'respond-async, wait=10; a="b"', '"a-key-of-a-client"', "a=b;c, d"))


def _employee(text: str) -> None:
    """Read a place in a list, of which PostgreSQL must be able to take all."""
    assert "\0" not in (places.employee(text).name or "")


def _entry(text: str) -> None:
    assert places.entry(text).id.bit_length() <= 63


def _address(draw: Random) -> str:
    return draw.choice(("1.2.3.4:5", "[2001:db8::7]:9", "::ffff:1.2.3.4", "fe80::1%eth0"))


def _jwt(draw: Random) -> str:
    head, claims = {"alg": "ES256", "kid": "k"}, {"iss": "i", "sub": "s", "aud": draw.choice(("a", ["a"], [], 7))}
    return ".".join(grammar.encoded64(each) for each in (_mixed(draw, head), _mixed(draw, claims))) + ".QQ"


def _mixed(draw: Random, document: Any) -> Any:
    return mutation.json_(draw, document) if draw.random() < 0.5 else document


_SCIM, _PORTAL = (SCIMError,), (ToldError,)
ALL: Mapping[str, Parser] = {
    "filter": Parser(read=lambda t: filters.parse(t, USERS), refuses=_SCIM, make=lambda d: grammar.filter_(d, USERS)),
    "filter of groups": Parser(
        read=lambda t: filters.parse(t, GROUPS, (USERS,)), refuses=_SCIM, make=lambda d: grammar.filter_(d, GROUPS)
    ),
    "excerpt of a filter": Parser(
        read=lambda t: excerpts.of_filter(t, USERS), refuses=(), make=lambda d: grammar.filter_(d, USERS)
    ),
    "kind of a query": Parser(read=request_kinds.wanted, refuses=(), make=lambda d: grammar.filter_(d, USERS)),
    "excerpt of a patch": Parser(
        read=_json(lambda document: excerpts.of_document(document, USERS, is_patch=True)),
        refuses=(),
        make=_dumped(lambda d: grammar.patch(d, USERS, _KNOWN)),
    ),
    "excerpt of a resource": Parser(
        read=_json(lambda document: excerpts.of_document(document, USERS, is_patch=False)),
        refuses=(),
        make=_dumped(lambda d: grammar.resource(d, USERS, _KNOWN)),
    ),
    "path": Parser(read=lambda t: paths.reference(t, USERS), refuses=_SCIM, make=material.name),
    "sort path": Parser(read=lambda t: searches.sort_path(t, USERS), refuses=_SCIM, make=material.name),
    "projection": Parser(
        read=lambda t: projection.parse(t, None, USERS),
        refuses=_SCIM,
        make=lambda d: ",".join(material.name(d) for _ in range(4)),
    ),
    "query": Parser(read=_query, refuses=_SCIM, make=_asked),
    "search": Parser(read=_json(searches.of_message), refuses=_SCIM, make=_dumped(_search_request)),
    "resource": Parser(
        read=_json(lambda document: validation.resource(USERS, document)),
        refuses=_SCIM,
        make=_dumped(lambda d: grammar.resource(d, USERS, _KNOWN)),
    ),
    "patch": Parser(read=_json(_patched), refuses=_SCIM, make=_dumped(lambda d: grammar.patch(d, USERS, _KNOWN))),
    "patch of a group": Parser(
        read=_json(lambda document: patch.parse(document, GROUPS)),
        refuses=_SCIM,
        make=_dumped(lambda d: grammar.patch(d, GROUPS, _KNOWN)),
    ),
    "shape of a patch": Parser(
        read=_json(shapes.of), refuses=(), make=_dumped(lambda d: grammar.patch(d, USERS, _KNOWN))
    ),
    "bulk": Parser(read=_json(_of_bulk), refuses=_SCIM, make=_dumped(lambda d: grammar.bulk(d, _KNOWN))),
    "preferences": Parser(read=preferences.parse, refuses=_SCIM, make=_header),
    "idempotency key": Parser(read=idempotency_keys.parse, refuses=_SCIM, make=_header),
    "versions": Parser(read=lambda t: versions.matches(t, 7), refuses=_SCIM, make=_header),
    "extension file": Parser(
        read=extension_files.parse, refuses=(ExtensionFileError,), make=lambda _: EXAMPLE, longest=20_000
    ),
    "token": Parser(read=token_secrets.is_well_formed, refuses=(), make=lambda _: token_secrets.generate()),
    "JWT": Parser(read=foreign_tokens.read, refuses=(), make=_jwt),
    "cursor": Parser(read=lambda t: _CURSORS.read(t, (), None), refuses=_SCIM, make=_cursor),
    "portal's place of an employee": Parser(
        read=_employee, refuses=_PORTAL, make=lambda d: _place(d, d.choice(material.IDS))
    ),
    "portal's place of an entry": Parser(read=_entry, refuses=_PORTAL, make=lambda d: _place(d, 7)),
    "portal's place of a member": Parser(read=places.member, refuses=_PORTAL, make=lambda d: d.choice(material.IDS)),
    "address": Parser(read=addresses.plain, refuses=(), make=_address),
}


def _place(draw: Random, second: Any) -> str:
    first = "2026-01-02T03:04:05+00:00" if draw.random() < 0.3 else draw.choice(material.TEXTS)
    return grammar.encoded64([first, second])
