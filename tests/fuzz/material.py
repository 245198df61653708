"""What made-up requests are made of: the registry's names, values of each type, and what breaks careless programs."""

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from shared.scim.attributes import Attribute, ResourceType, Type
from shared.scim.resource_types import ALL, COMMON, USERS

MARK = "zqmarkqz"
"""Stands in every value that is made up, so that a log which holds one is found out."""

OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "pr", "xx")
TEXTS = (
    *("", " ", "\t", "'", '"', "\\", '\\"', "%", "_", "%00", "%zz", "../..", "*", "?", "#", "&", ";", ",", "=", "+"),
    *(
        "\x00",
        "\x1f",
        "\x7f",
        "\u0085",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\ufffd",
        "\ud800",
        "\U0001f600",
        "İ",
        "ß",
        "e\u0301",
    ),
    *("null", "true", "False", "TRUE", "NaN", "1e999", "-0", "0x10", "1_000", "9" * 40, "9" * 5_000, "1.5", "\u0661"),
    *("<script>alert(1)</script>", "{{7*7}}", "${x}", "$(x)", "'; DROP TABLE employee; --", "%s%n", "=1+1"),
    *("urn:", "urn:a:b:c", "a.b.c.d", "[", "]", "(", ")", "((((((((", "not not", "[[", "emails[", "a" * 300),
    *("2026-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999999-23:59", "2026-01-02"),
    *(
        "QQ==",
        "QQ",
        "====",
        "https://x.example/a b",
        "//",
        "W/",
        'W/"1"',
        '""',
        'W/"", "1"',
        'W/"99999999999999999999"',
        "x" * 9_000,
    ),
)
NUMBERS = (0, -1, 1, 7, 2**31, 2**63, 2**64, -(2**63) - 1, 10**40, 1.5, -0.0, 1e308, float("inf"), float("nan"))
JSON: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"": ""}, [None], *NUMBERS, *TEXTS)
IDS = (str(UUID(int=0)), str(UUID(int=2**128 - 1)), "1", "a" * 37, "2819c223-7f76-453a-919d-413861904646")

_OF_TYPE: dict[Type, tuple[Any, ...]] = {
    Type.BOOLEAN: (True, False, "True", "false"),
    Type.INTEGER: NUMBERS,
    Type.DECIMAL: NUMBERS,
    Type.DATE_TIME: ("2026-01-02T03:04:05Z", "2011-05-13T04:42:34+02:00", "2024-02-29T23:59:59.123Z"),
    Type.REFERENCE: (f"https://x.example/{MARK}",),
    Type.BINARY: ("QQ==",),
}


@dataclass(frozen=True)
class Known:
    """What requests have found out so far, for later ones to name; each list forgets its oldest."""

    ids: list[str] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def note(self, found: list[str], value: str) -> None:
        """Remember something that an answer said."""
        found.append(value)
        if len(found) > 200:
            del found[:50]


def names(resource_type: ResourceType) -> tuple[str, ...]:
    """Return every way to name something of a resource type."""
    found = []
    for schema, attribute in [*resource_type.walk(), *((COMMON, each) for each in COMMON.attributes)]:
        subs = [sub.name for sub in attribute.sub_attributes]
        found += [attribute.name, f"{schema.id}:{attribute.name}" if schema.id else attribute.name.upper()]
        found += [f"{attribute.name}.{sub}" for sub in subs]
        found += [f'{attribute.name}[type eq "work"].{sub}' for sub in subs if attribute.multi_valued]
        if attribute.multi_valued:
            found += [f'{attribute.name}[value eq "{MARK}"]', f"{attribute.name}[primary eq true]"]
    return (*found, *(schema.id for schema in resource_type.schemas))


NAMES = {resource_type.name: names(resource_type) for resource_type in ALL}


def name(draw: Random, resource_type: ResourceType = USERS) -> str:
    """Return the name of an attribute, mostly of one that there is."""
    return draw.choice(NAMES[resource_type.name]) if draw.random() < 0.93 else draw.choice(TEXTS)


def identifier(draw: Random, known: Known) -> str:
    """Return the id of a resource, mostly of one that there is or was."""
    return draw.choice(known.ids) if known.ids and draw.random() < 0.8 else draw.choice(IDS)


def text(draw: Random) -> str:
    """Return a text that a person might have."""
    return f"{MARK}{draw.randrange(1_000_000)}" if draw.random() < 0.9 else draw.choice(TEXTS)


def value(draw: Random, attribute: Attribute, known: Known) -> Any:
    """Return a value of an attribute; now and then one that it cannot have."""
    if draw.random() < 0.04:
        return draw.choice(JSON)
    if not attribute.multi_valued:
        return _one(draw, attribute, known)
    return [_one(draw, attribute, known) for _ in range(draw.choice((0, 1, 1, 2, 3)))]


def _one(draw: Random, attribute: Attribute, known: Known) -> Any:
    if attribute.is_complex:
        chosen = [sub for sub in attribute.sub_attributes if draw.random() < 0.6]
        return {sub.name: value(draw, sub, known) for sub in chosen}
    return _string(draw, attribute, known) if attribute.type is Type.STRING else draw.choice(_OF_TYPE[attribute.type])


def _string(draw: Random, attribute: Attribute, known: Known) -> str:
    if attribute.name == "value" and draw.random() < 0.4:
        return identifier(draw, known)
    if attribute.canonical_values and draw.random() < 0.8:
        return draw.choice(attribute.canonical_values)
    return text(draw)
