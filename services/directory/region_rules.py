"""Decide by rules in which region an employee belongs; pure, and the twin of the SQL in `region_moves`.

A rule compares one attribute of the registry, a tenant's own extensions included, and becomes a SCIM filter: so it
means the same in memory and in SQL, as filters do. The first rule that holds says the region; where none does it is HQ.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

import orjson

from shared.scim import filter_literals, filters, matching, paths, values
from shared.scim.attributes import Attribute, ResourceType, Returned, Stored, Type
from shared.scim.errors import InvalidFilterError, InvalidPathError
from shared.scim.filters import Filter, Not
from shared.scim.paths import Path

HQ = "HQ"
"""The region of everybody for whom no rule says another one. It is there without a row, and is never removed."""

MOST_RULES = 50
LONGEST_VALUE = 200
LONGEST_ATTRIBUTE = 400


class Operator(StrEnum):
    """How a rule compares; the words are those of files and forms."""

    EQUALS = "equals"
    NOT_EQUALS = "not equals"
    CONTAINS = "contains"
    STARTS_WITH = "starts with"
    IS_PRESENT = "is present"


class RuleError(ValueError):
    """A rule makes no sense; the text says which, and why."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: whoever has such a value belongs to a region, named by its id."""

    attribute: str
    operator: Operator
    value: str
    region: str


_Test: TypeAlias = Callable[[Mapping[str, Any]], bool]
Compiled: TypeAlias = Sequence[tuple[_Test, str]]
_TEXTS = frozenset({Type.STRING, Type.REFERENCE})
_NUMBERS = frozenset({Type.INTEGER, Type.DECIMAL})
_SCIM = {
    Operator.EQUALS: filters.Operator.EQ,
    Operator.NOT_EQUALS: filters.Operator.EQ,
    Operator.CONTAINS: filters.Operator.CO,
    Operator.STARTS_WITH: filters.Operator.SW,
}


def region_of(rules: Compiled, resource: Mapping[str, Any]) -> str:
    """Return the id of the region in which an employee belongs."""
    return next((region for holds, region in rules if holds(resource)), HQ)


def first_match(rules: Sequence[Rule], resource: Mapping[str, Any], resource_type: ResourceType) -> int | None:
    """Return the number of the rule that decides about an employee, counted from 1; None when none does."""
    for number, rule in enumerate(rules, start=1):
        filter_ = understood(rule, resource_type)
        if filter_ is not None and matching.matches(filter_, resource):
            return number
    return None


def compiled(rules: Sequence[Rule], resource_type: ResourceType) -> Compiled:
    """Return rules as they are asked of many employees; what is declared no longer holds for nobody."""
    known = ((understood(rule, resource_type), rule.region) for rule in rules)
    return [(matching.test(filter_), region) for filter_, region in known if filter_ is not None]


def understood(rule: Rule, resource_type: ResourceType) -> Filter | None:
    """Return the filter of a rule that was saved, or None when its attribute is not declared any more, or otherwise."""
    try:
        return condition(rule, resource_type)
    except RuleError:
        return None


def condition(rule: Rule, resource_type: ResourceType) -> Filter:
    """Return the filter of a rule. Raises RuleError."""
    path = _path(rule.attribute, resource_type)
    if rule.operator is Operator.IS_PRESENT:
        return filters.Present(path)
    try:
        compared = filters.parse(f"{path.text} {_SCIM[rule.operator]} {_literal(path, rule.value)}", resource_type)
    except InvalidFilterError as error:
        raise RuleError(_explained(path, rule.operator)) from error
    return Not(compared) if rule.operator is Operator.NOT_EQUALS else compared


def checked(rules: Sequence[Rule], resource_type: ResourceType) -> Sequence[Rule]:
    """Return rules with their attributes in canonical spelling. Raises RuleError for the first that makes no sense."""
    if len(rules) > MOST_RULES:
        raise RuleError(f"There are at most {MOST_RULES} rules")
    return [_checked(number, rule, resource_type) for number, rule in enumerate(rules, start=1)]


def offered(resource_type: ResourceType) -> Iterator[Path]:
    """Yield every attribute that a rule may compare, schema by schema."""
    for schema, attribute in resource_type.walk():
        if attribute.is_complex:
            subs = (Path(schema, attribute, sub) for sub in attribute.sub_attributes)
            yield from (path for path in subs if _is_offered(path))
        elif _is_offered(Path(schema, attribute)):
            yield Path(schema, attribute)


def document(rules: Sequence[Rule]) -> list[dict[str, str]]:
    """Return rules as JSON."""
    return [{**vars(rule), "operator": rule.operator.value} for rule in rules]


def read(found: Sequence[Mapping[str, Any]]) -> list[Rule]:
    """Return the rules that `document` wrote."""
    return [Rule(**{**each, "operator": Operator(each["operator"])}) for each in found]


def _checked(number: int, rule: Rule, resource_type: ResourceType) -> Rule:
    if not rule.attribute:
        raise RuleError(f"Rule {number}: choose an attribute")
    value = "" if rule.operator is Operator.IS_PRESENT else rule.value
    if rule.operator is not Operator.IS_PRESENT and not value:
        raise RuleError(f"Rule {number}: say what the attribute is compared with")
    if len(value) > LONGEST_VALUE or not values.is_text(value):
        raise RuleError(f"Rule {number}: a value has at most {LONGEST_VALUE} characters, and no NUL")
    try:
        made = replace(rule, value=value, attribute=_path(rule.attribute, resource_type).text)
        condition(made, resource_type)
    except RuleError as error:
        raise RuleError(f"Rule {number}: {error}") from error
    return made


def _path(text: str, resource_type: ResourceType) -> Path:
    if len(text) > LONGEST_ATTRIBUTE:
        raise RuleError(f"the name of an attribute has at most {LONGEST_ATTRIBUTE} characters")
    try:
        path = paths.reference(text, resource_type)
    except InvalidPathError as error:
        raise RuleError(f"an employee has no attribute {paths.shown(text)}") from error
    value = path.attribute.sub("value") if path.sub is None and path.attribute.is_complex else None
    path = path if value is None else Path(path.schema, path.attribute, value)
    if not _is_offered(path):
        raise RuleError(f"{path.text} cannot be compared by a rule")
    return path


def _is_offered(path: Path) -> bool:
    """Whether an employee has it by itself, and it is no secret: what others change moves nobody."""
    both: tuple[Attribute, Attribute] = (path.attribute, path.leaf)
    is_own = path.attribute.stored in {Stored.COLUMNS, Stored.DOCUMENT, Stored.BAG}
    is_kept = is_own and path.leaf.stored not in {Stored.COMPUTED, Stored.ROWS}
    is_hidden = any(one.returned is Returned.NEVER or one.is_sensitive or one.is_hashed for one in both)
    is_plain = not path.leaf.is_complex and path.leaf.type is not Type.BINARY
    return is_kept and is_plain and not is_hidden and all(one.is_writable and not one.of_others for one in both)


def _literal(path: Path, value: str) -> str:
    """Return a value as filters spell it."""
    is_number = path.leaf.type in _NUMBERS and filter_literals.NUMBER.fullmatch(value)
    return value if is_number else orjson.dumps(value).decode()


def _explained(path: Path, operator: Operator) -> str:
    if path.leaf.type not in _TEXTS and operator in {Operator.CONTAINS, Operator.STARTS_WITH}:
        return f"{path.text} is no text, so that nothing is contained in it"
    kinds = {
        Type.BOOLEAN: "true or false",
        Type.INTEGER: "a whole number",
        Type.DECIMAL: "a number",
        Type.DATE_TIME: "a date and time, as in 2008-01-23T04:56:22Z",
    }
    return f"{path.text} is compared with {kinds.get(path.leaf.type, 'a text')}"
