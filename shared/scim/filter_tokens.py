"""Cuts the text of a filter into tokens, by the lexical rules of JSON and of RFC 7644 section 3.4.2.2."""

import json
import re
from dataclasses import dataclass
from enum import Enum

from shared.scim.errors import InvalidFilterError


class Kind(Enum):
    """What a token is; the names are those of the groups of TOKEN, the values are for messages."""

    STRING = "a string"
    OPEN = "'('"
    CLOSE = "')'"
    OPEN_BRACKET = "'['"
    CLOSE_BRACKET = "']'"
    WORD = "a word"
    END = "the end"


@dataclass(frozen=True)
class Token:
    """A piece of a filter; `position` counts from one."""

    kind: Kind
    text: str
    position: int

    @property
    def word(self) -> str:
        """The word in lower case, for keywords, operators and attributes know no case; no word is empty."""
        return self.text.lower() if self.kind is Kind.WORD else ""


TOKEN = re.compile(
    r"""\s*(?:
      (?P<STRING> " (?: [^"\\\x00-\x1f] | \\["\\/bfnrt] | \\u[0-9A-Fa-f]{4} )* " )
    | (?P<OPEN> \( )
    | (?P<CLOSE> \) )
    | (?P<OPEN_BRACKET> \[ )
    | (?P<CLOSE_BRACKET> \] )
    | (?P<WORD> [^\s()\[\]"]+ )
    | (?P<END> \Z )
    )""",
    re.VERBOSE,
)


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a filter, the last of which is its end; raises InvalidFilterError."""
    tokens: list[Token] = []
    position = 0
    while not tokens or tokens[-1].kind is not Kind.END:
        found = TOKEN.match(text, position)
        if found is None:
            raise InvalidFilterError(f"The filter has a string that is not one of JSON, after position {position}")
        name = found.lastgroup or ""
        tokens.append(Token(Kind[name], found.group(name), found.start(name) + 1))
        position = found.end()
    return tokens


def unquote(token: Token) -> str:
    """Return the text that a string token stands for."""
    text: str = json.loads(token.text)
    return text
