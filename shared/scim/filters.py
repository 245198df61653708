"""Parses filters into trees of resolved paths and typed values (RFC 7644 section 3.4.2.2).

    FILTER    = attrExp / logExp / valuePath / *1"not" "(" FILTER ")"
    valuePath = attrPath "[" valFilter "]"            ; FILTER uses sub-attributes of a parent attrPath
    attrExp   = (attrPath SP "pr") / (attrPath SP compareOp SP compValue)
    logExp    = FILTER SP ("and" / "or") SP FILTER    ; `and` binds closer than `or`

Beyond the grammar, `emails[type eq "work"].value eq "x"` and `emails[type eq "work"] eq "x"` are understood, since
Entra ID sends the first (MicrosoftDocs/azure-docs#83855), and `emails eq "x"` compares the `value`. Sizes are bounded.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeAlias, assert_never

from shared.scim import filter_literals, paths
from shared.scim.attributes import VALUE, ResourceType, Returned, Type
from shared.scim.errors import InvalidFilterError, InvalidPathError
from shared.scim.filter_tokens import Kind, Token, tokenize
from shared.scim.paths import Path

MAX_LENGTH = 8_192
MAX_TERMS = 200
MAX_DEPTH = 32


class Operator(StrEnum):
    """The operators that compare with a value."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"


Value: TypeAlias = filter_literals.Value


@dataclass(frozen=True)
class And:
    """All terms hold."""

    terms: "tuple[Filter, ...]"


@dataclass(frozen=True)
class Or:
    """At least one term holds."""

    terms: "tuple[Filter, ...]"


@dataclass(frozen=True)
class Not:
    """The term does not hold."""

    term: "Filter"


@dataclass(frozen=True)
class Comparison:
    """Any value of the attribute compares so; `eq None` holds when there is none."""

    path: Path
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Present:
    """The attribute has a value."""

    path: Path


@dataclass(frozen=True)
class ElementMatch:
    """One and the same element of a multi-valued attribute passes the filter, whose paths name its sub-attributes."""

    path: Path
    filter: "Filter"


Filter: TypeAlias = And | Or | Not | Comparison | Present | ElementMatch

EQUALITY = frozenset({Operator.EQ, Operator.NE})
ORDER = EQUALITY | {Operator.GT, Operator.GE, Operator.LT, Operator.LE}
# What RFC 7644 table 3 permits for each type; the order of booleans and of binary values is an error there.
OPERATORS: dict[Type, frozenset[Operator]] = {
    Type.STRING: frozenset(Operator),
    Type.REFERENCE: frozenset(Operator),
    Type.BOOLEAN: EQUALITY,
    Type.BINARY: EQUALITY,
    Type.DECIMAL: ORDER,
    Type.INTEGER: ORDER,
    Type.DATE_TIME: ORDER,
}
Resolve: TypeAlias = Callable[[str], Path]


def parse(text: str, resource_type: ResourceType, others: Iterable[ResourceType] = ()) -> Filter:
    """Parse a filter over resources, of which some may be of other types; raises InvalidFilterError."""
    return _parse(text, partial(paths.reference_in_any, resource_type=resource_type, others=others))


def parse_element(text: str, path: Path) -> Filter:
    """Parse what stands in the brackets behind a path, a filter over its elements; raises InvalidFilterError."""
    return _parse(text, partial(paths.sub_path, path))


def size(filter_: Filter) -> int:
    """Return how many comparisons a filter has, which is what it costs to evaluate it once."""
    return sum(1 for _ in paths_of(filter_))


def paths_of(filter_: Filter) -> Iterator[Path]:
    """Yield what a filter compares, once for each comparison."""
    match filter_:
        case And(terms) | Or(terms):
            for term in terms:
                yield from paths_of(term)
        case Not(term):
            yield from paths_of(term)
        case ElementMatch(_, inner):
            yield from paths_of(inner)
        case Comparison(path) | Present(path):
            yield path
        case _:
            assert_never(filter_)


def _parse(text: str, resolve: Resolve) -> Filter:
    if len(text) > MAX_LENGTH:
        raise InvalidFilterError(f"The filter must not be longer than {MAX_LENGTH} characters")
    parser = _Parser(tokenize(text), resolve)
    parsed = parser.disjunction()
    parser.take(Kind.END, "'and', 'or' or the end")
    return parsed


class _Parser:
    """Recursive descent over the tokens; the depth is bounded, so the recursion is."""

    def __init__(self, tokens: list[Token], resolve: Resolve) -> None:
        self._tokens = tokens
        self._resolve = resolve
        self._index = 0
        self._depth = 0
        self._terms = 0

    def disjunction(self) -> Filter:
        terms = [self._conjunction()]
        while self._accept("or"):
            terms.append(self._conjunction())
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def take(self, kind: Kind, expected: str) -> Token:
        token = self._next
        if token.kind is not kind:
            raise _unexpected(token, expected)
        self._index += 1
        return token

    @property
    def _next(self) -> Token:
        return self._tokens[self._index]

    def _accept(self, keyword: str) -> bool:
        if self._next.word != keyword:
            return False
        self._index += 1
        return True

    def _conjunction(self) -> Filter:
        terms = [self._factor()]
        while self._accept("and"):
            terms.append(self._factor())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _factor(self) -> Filter:
        if self._accept("not"):
            return Not(self._group())
        return self._group() if self._next.kind is Kind.OPEN else self._expression()

    def _group(self) -> Filter:
        return self._nested(Kind.OPEN, Kind.CLOSE)

    def _nested(self, opening: Kind, closing: Kind) -> Filter:
        token = self.take(opening, opening.value)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise InvalidFilterError(f"The filter is nested deeper than {MAX_DEPTH} at position {token.position}")
        nested = self.disjunction()
        self.take(closing, f"'and', 'or' or {closing.value}")
        self._depth -= 1
        return nested

    def _expression(self) -> Filter:
        token = self.take(Kind.WORD, "an attribute")
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise InvalidFilterError(f"The filter has more than {MAX_TERMS} comparisons")
        path = self._path(token)
        return self._value_path(path, token) if self._next.kind is Kind.OPEN_BRACKET else self._comparison(path)

    def _path(self, token: Token) -> Path:
        with _located(token):
            return _open(self._resolve(token.text))

    def _value_path(self, path: Path, token: Token) -> Filter:
        if path.sub or not path.attribute.is_complex:
            raise InvalidFilterError(
                f"{path.text} has no elements to select, at position {token.position} of the filter"
            )
        outer, self._resolve = self._resolve, partial(paths.sub_path, path)
        inner = self._nested(Kind.OPEN_BRACKET, Kind.CLOSE_BRACKET)
        terms = inner.terms if isinstance(inner, And) else (inner,)
        tail = self._tail(path)
        self._resolve = outer
        if not path.attribute.multi_valued:
            # The grammar has it for any complex attribute (RFC 7644 section 3.4.2.2); this one has one value or none.
            return And((Present(path), *terms, *((tail,) if tail else ())))
        return ElementMatch(path, And((*terms, tail)) if tail else inner)

    def _tail(self, path: Path) -> Filter | None:
        """Parse what real clients write behind the brackets, `.value eq "x"` or `eq "x"`, as one more term in them."""
        if self._next.word.startswith("."):
            token = self.take(Kind.WORD, "a sub-attribute")
            return self._comparison(self._path(Token(token.kind, token.text[1:], token.position)))
        return self._comparison(path) if self._next.word in set(Operator) else None

    def _comparison(self, path: Path) -> Filter:
        token = self.take(Kind.WORD, "an operator")
        if token.word == "pr":
            return Present(path)
        if token.word not in set(Operator):
            raise _unexpected(token, "an operator")
        with _located(token):
            path = _comparable(path, Operator(token.word))
        position, literal = self._next, self._literal()
        with _located(position):
            return _compare(path, Operator(token.word), literal)

    def _literal(self) -> filter_literals.Literal:
        token = self._next
        self._index += token.kind is not Kind.END
        return filter_literals.read(token)


def _comparable(path: Path, operator: Operator) -> Path:
    """Return what an operator compares; of a complex attribute that is its `value`, if it has one."""
    if path.leaf.is_complex:
        if path.attribute.sub(VALUE) is None:
            raise InvalidFilterError(f"{path.text} can only be compared by one of its sub-attributes")
        path = _open(paths.sub_path(path, VALUE))
    if operator not in OPERATORS[path.leaf.type]:
        raise InvalidFilterError(f"{path.text} is of type {path.leaf.type}, which '{operator}' does not compare")
    return path


def _compare(path: Path, operator: Operator, literal: filter_literals.Literal) -> Comparison:
    if literal is None and operator not in EQUALITY:
        raise InvalidFilterError(f"{path.text} can be compared with null by 'eq' and 'ne' only")
    return Comparison(path, operator, filter_literals.typed(path.leaf, literal, path.text))


def _open(path: Path) -> Path:
    """Refuse what is never shown (RFC 7643 section 7): whether a filter matches would tell it, bit by bit."""
    if Returned.NEVER in {path.attribute.returned, path.leaf.returned}:
        raise InvalidFilterError(f"{path.text} may not be filtered by")
    return path


@contextmanager
def _located(token: Token) -> Iterator[None]:
    """Add to what is wrong with a filter at which position it is wrong."""
    try:
        yield
    except (InvalidPathError, InvalidFilterError) as error:
        raise InvalidFilterError(f"{error.detail}, at position {token.position} of the filter") from error


def _unexpected(token: Token, expected: str) -> InvalidFilterError:
    return InvalidFilterError(f"The filter should have {expected} at position {token.position}")
