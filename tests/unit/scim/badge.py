"""The extension of docs/examples, and the table of what filters mean on it: for the evaluators in memory and in SQL."""

from pathlib import Path
from typing import Any

from shared.scim import extension_files, resource_types

FILE = Path(__file__).parents[3] / "docs" / "examples" / "badge.toml"
EXTENSION = extension_files.parse(FILE.read_text())
URN = EXTENSION.schema.id
CATALOGUE = resource_types.extended([(EXTENSION.resource_type, EXTENSION.schema)])
USERS = CATALOGUE.by_name["User"]

BARE: dict[str, Any] = {"userName": "bare"}
VISITOR: dict[str, Any] = {"userName": "guest", URN: {"number": -3, "isVisitor": True, "zones": ["Lobby"]}}
ADA: dict[str, Any] = {
    "userName": "ada",
    URN: {
        "number": 4_711,
        "serial": "aB-9",
        "isVisitor": False,
        "credit": 0.1,
        "validUntil": "2026-05-01T10:00:00.1234567+02:00",
        "photo": "https://example.com/Ada",
        "zones": ["Lobby", 'Lab "7"', "Ångström"],
        "desk": {"building": "Main", "floor": 0},
        "keys": [
            {"value": "K1", "type": "door", "since": "2025-01-01T00:00:00", "primary": True},
            {"value": "k2", "type": "Locker", "since": "2024-01-01T00:00:00-14:00"},
        ],
    },
}

CASES: tuple[tuple[str, dict[str, Any], bool], ...] = tuple(
    (text.replace("@", f"{URN}:"), resource, expected)
    for text, resource, expected in (
        # Numbers are compared by value.
        ("@number eq 4711", ADA, True),
        ("@NUMBER eq 4711.0", ADA, True),
        ("@number eq 4712", ADA, False),
        ("@number ne 4712", ADA, True),
        ("@number gt 999", ADA, True),
        ("@number lt 4711", ADA, False),
        ("@number lt 0", VISITOR, True),
        ("@number ge -3", VISITOR, True),
        ("@credit eq 0.1", ADA, True),
        ("@credit eq 0.10", ADA, True),
        ("@credit lt 0.11", ADA, True),
        ("@credit gt 1e-1", ADA, False),
        ("@credit ne 0.1", ADA, False),
        # Strings follow caseExact.
        ('@serial eq "aB-9"', ADA, True),
        ('@serial eq "ab-9"', ADA, False),
        ('@serial co "B-"', ADA, True),
        ('@serial sw "A"', ADA, False),
        ('@photo eq "https://example.com/ada"', ADA, False),
        ('@photo ew "/Ada"', ADA, True),
        # Booleans, in quotes too.
        ("@isVisitor eq true", VISITOR, True),
        ("@isVisitor eq false", ADA, True),
        ('@isVisitor eq "True"', VISITOR, True),
        ("@isVisitor ne true", BARE, True),
        ("not (@isVisitor eq true)", BARE, True),
        # Moments, whatever their zone; none means UTC. Nobody keeps more than microseconds.
        ('@validUntil eq "2026-05-01T08:00:00.123456Z"', ADA, True),
        ('@validUntil gt "2026-05-01T09:00:00Z"', ADA, False),
        ('@validUntil lt "2026-05-01T08:00:01"', ADA, True),
        ('@keys[since eq "2025-01-01T00:00:00Z"]', ADA, True),
        ('@keys[since eq "2024-01-01T14:00:00Z"]', ADA, True),
        ('@keys.since lt "2024-01-01T14:00:00Z"', ADA, False),
        # Presence, absence and null.
        ("@number pr", ADA, True),
        ("@number pr", BARE, False),
        ("@serial pr", VISITOR, False),
        ("@desk pr", ADA, True),
        ("@desk pr", VISITOR, False),
        ("@keys pr", ADA, True),
        ("@zones pr", VISITOR, True),
        ("@zones pr", BARE, False),
        ("@serial eq null", VISITOR, True),
        ("@serial ne null", ADA, True),
        ("@zones eq null", BARE, True),
        ("@zones eq null", ADA, False),
        ('@serial ne "x"', BARE, True),
        ('not (@serial co "x")', BARE, True),
        ("@credit gt 0", BARE, False),
        # Singular complex attributes, by their sub-attributes.
        ('@desk.building eq "MAIN"', ADA, True),
        ('@desk.building eq "annex"', ADA, False),
        ("@desk.floor eq 0", ADA, True),
        ("@desk.floor ge 1", ADA, False),
        ("@desk.floor pr", ADA, True),
        ('@desk.building ne "main"', BARE, True),
        # Several simple values: any of them.
        ('@zones eq "lobby"', ADA, True),
        ('@zones eq "LAB \\"7\\""', ADA, True),
        ('@zones eq "ångström"', ADA, True),
        ('@zones co "ab"', ADA, True),
        ('@zones sw "x"', ADA, False),
        ('@zones ne "lobby"', ADA, True),
        ('@zones ne "lobby"', VISITOR, False),
        ('@zones ne "lobby"', BARE, True),
        ('not (@zones eq "lobby")', VISITOR, False),
        # Several objects: brackets want one element.
        ('@keys[type eq "door" and value eq "K1"]', ADA, True),
        ('@keys[type eq "door" and value eq "k2"]', ADA, False),
        ('@keys[type eq "locker" and not (primary eq true)]', ADA, True),
        ('@keys[value eq "k1"]', ADA, False),
        ('@keys[type eq "door"].value eq "K1"', ADA, True),
        ('@keys.value eq "k2"', ADA, True),
        ('@keys eq "K1"', ADA, True),
        ("@keys.primary eq true", ADA, True),
        ('@keys[type eq "car"]', ADA, False),
        ('@keys[type eq "car"]', BARE, False),
        ('not (@keys[type eq "car"])', BARE, True),
        ('@keys.type ne "door"', ADA, True),
        # Beside other attributes, and without the URN.
        ('userName eq "ada" and @number eq 4711', ADA, True),
        ('userName eq "x" or @desk.floor eq 0', ADA, True),
        ("number eq 4711", ADA, True),
        ('desk.building sw "m" and zones eq "lobby"', ADA, True),
    )
)
