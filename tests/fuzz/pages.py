"""Make up requests to the staff portal, of an admin who may do everything: each page with what it may be asked."""

from collections.abc import Sequence
from random import Random
from urllib.parse import quote, urlencode

from services.directory.portal.routes import Route
from services.directory.region_rules import Operator
from shared.scim.resource_types import USERS
from tests.fuzz import grammar, material
from tests.fuzz.grammar import FORM, Request
from tests.fuzz.material import IDS, TEXTS, Known

ASKED = ("q", "region", "after", "before", "status", "field", "source", "next", "done", "out")
SENT = ("email", "password", "present", "name", "networks", "lifetime", "overlap", "scope", "permission", "why", "code")
RULES: dict[str, tuple[str, ...]] = {
    "attribute": material.NAMES[USERS.name],
    "operator": tuple(Operator),
    "value": (material.MARK, *TEXTS),
    "region": ("hq", *IDS),
}
"""What rules of regions are written with: columns of a form, with a row for each rule."""

DO = ("add", "up 1", "down 1", "delete 1", "preview", "more", "save", "x")
ENDING = frozenset({"sign_out", "password", "account_password", "sign_in_link_send"})
"""What would end the session that all these requests need; they are sent without the word of its forms."""


class Pages:
    """Makes requests up, from the portal's own routes."""

    def __init__(self, routes: Sequence[Route], ids: Sequence[str], word: str) -> None:
        self._routes, self._ids, self._word = routes, ids, word

    def request(self, draw: Random, _: Known, secrets: tuple[str, ...]) -> Request:
        """Return a request; the first secret is a cookie that lets in."""
        route = draw.choice(self._routes)
        target = self._path(draw, route.rule) + self._query(draw)
        headers = [("Host", "127.0.0.1")]
        if draw.random() < 0.95:
            headers.append(("Cookie", draw.choice(secrets) if draw.random() < 0.05 else secrets[0]))
        if draw.random() < 0.3:
            headers.append(("HX-Request", "true"))
        body = b"" if route.methods == ("GET",) else self._form(draw, route)
        if body:
            headers.append(("Content-Type", FORM))
        return Request(method=route.methods[0], target=target, headers=tuple(headers), body=body)

    def _path(self, draw: Random, rule: str) -> str:
        parts = []
        for part in rule.split("/"):
            named = self._ids if draw.random() < 0.8 else (*IDS, *TEXTS, "entra", "okta")
            parts.append(quote(draw.choice(named), safe="", errors="replace") if part.startswith("<") else part)
        return "/".join(parts)

    def _query(self, draw: Random) -> str:
        pairs = {name: self._value(draw) for name in ASKED if draw.random() < 0.2}
        return f"?{urlencode(pairs, errors='replace')}" if pairs else ""

    def _value(self, draw: Random) -> str:
        kind = draw.random()
        if kind < 0.4:
            return grammar.encoded64([draw.choice(material.JSON), draw.choice((*self._ids, *material.JSON))])
        return draw.choice((*self._ids, *TEXTS)) if kind < 0.8 else material.text(draw)

    def _form(self, draw: Random, route: Route) -> bytes:
        pairs = [(name, self._value(draw)) for name in SENT for _ in range(draw.choice((0, 1, 1, 2)))]
        pairs += self._rules(draw) if "region" in route.endpoint else []
        if route.endpoint not in ENDING and draw.random() < 0.9:
            pairs.append(("csrf", self._word))
        return urlencode(pairs, errors="replace").encode()

    def _rules(self, draw: Random) -> list[tuple[str, str]]:
        rows, odd = draw.choice((0, 1, 2, 5)), draw.choice((*RULES, *[""] * 20))
        pairs = [("do", draw.choice(DO)), ("number", draw.choice(("0", "1", "7", *TEXTS)))]
        for name, known in RULES.items():
            given = (*known, *self._ids) if name == "region" else known
            pairs += [
                (name, draw.choice(given) if draw.random() < 0.95 else self._value(draw))
                for _ in range(rows + (name == odd))
            ]
        return pairs
