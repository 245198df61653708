"""What a client prefers about the answer: `Prefer: respond-async, wait=10` (RFC 7240, RFC 9967 section 2.5.1.1)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

#     Prefer     = 1#preference
#     preference = token [ BWS "=" BWS word ] *( OWS ";" [ OWS parameter ] )
#     word       = token / quoted-string                            (RFC 7240 section 2)
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PREFERENCE = re.compile(rf"\s*({_NAME})(?:\s*=\s*({_NAME}|{_QUOTED}))?\s*(?:;.*)?", re.DOTALL)
# A quoted string that never ends takes the rest with it, so that no header is looked at twice.
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))+', re.DOTALL)
_SECONDS = re.compile(r"[0-9]{1,9}")

RESPOND_ASYNC = "respond-async"
WAIT = "wait"


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What is honoured here: an answer now with the outcome to follow, and how long the client waits first."""

    respond_async: bool = False
    wait: int = 0
    """Seconds; only of meaning beside respond-async, for other answers come by the server's own deadline."""


def parse(header: str | None) -> Preferences:
    """Return what a Prefer header asks for; what is unknown or malformed is ignored (RFC 7240 section 2).

    Of a preference that is given twice the first counts.
    """
    given: dict[str, str] = {}
    for name, value in _preferences(header or ""):
        given.setdefault(name, value)
    wait = given.get(WAIT, "")
    return Preferences(respond_async=given.get(RESPOND_ASYNC) == "", wait=int(wait) if _SECONDS.fullmatch(wait) else 0)


def _preferences(header: str) -> Iterator[tuple[str, str]]:
    """Yield names, in lower case, and values; an empty value is the same as none."""
    for element in _ELEMENT.findall(header):
        found = _PREFERENCE.fullmatch(element)
        if found is not None:
            name, value = found[1].lower(), found[2] or ""
            yield name, re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
