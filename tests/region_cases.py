"""What rules of regions say of somebody: the table of cases that memory and SQL share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.directory.region_rules import HQ, Operator, Rule
from shared.scim import extension_files, resource_types
from shared.scim.schemas import enterprise

URN = "urn:example:site"
EXTENSION = extension_files.read(
    {
        "resourceType": "User",
        "id": URN,
        "name": "Site",
        "description": "Where somebody works.",
        "attributes": [
            {"name": "site", "description": "The site.", "caseExact": True},
            {"name": "floor", "description": "The floor.", "type": "integer"},
            {"name": "since", "description": "Since when.", "type": "dateTime"},
            {"name": "iban", "description": "The account.", "sensitive": True},
        ],
    }
)
EXTENDED = resource_types.extended([("User", EXTENSION.schema)]).by_name["User"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """Rules, somebody, and the region that they say."""

    name: str
    rules: Sequence[Rule]
    attributes: dict[str, Any] = field(default_factory=dict)
    region: str = "North"


def rule(attribute: str, operator: Operator, value: str = "", region: str = "North") -> Rule:
    """Return a rule, to the north unless told otherwise."""
    return Rule(attribute=attribute, operator=operator, value=value, region=region)


def _in(name: str) -> dict[str, Any]:
    return {enterprise.URN: {"department": name}}


_NIGHT = rule("department", Operator.EQUALS, "Night Patrol")
CASES = [
    Case(name="no rules", rules=[], region=HQ),
    Case(name="equals", rules=[_NIGHT], attributes=_in("Night Patrol")),
    Case(name="equals in whatever case", rules=[_NIGHT], attributes=_in("NIGHT patrol")),
    Case(name="equals is not contains", rules=[_NIGHT], attributes=_in("Night Patrols"), region=HQ),
    Case(name="equals nothing", rules=[_NIGHT], attributes={enterprise.URN: {}}, region=HQ),
    Case(name="the first wins", rules=[_NIGHT, rule("title", Operator.IS_PRESENT, "", "South")],
         attributes={**_in("Night Patrol"), "title": "Guard"}),
    Case(name="the second where the first does not hold", region="South", attributes={"title": "Guard"},
         rules=[_NIGHT, rule("title", Operator.IS_PRESENT, "", "South")]),
    Case(name="a rule may say HQ", region=HQ, attributes={"title": "Chief", **_in("Night Patrol")},
         rules=[rule("title", Operator.EQUALS, "Chief", HQ), _NIGHT]),
    Case(name="not equals", rules=[rule("title", Operator.NOT_EQUALS, "Guard")], attributes={"title": "Chief"}),
    Case(name="not equals, the same", rules=[rule("title", Operator.NOT_EQUALS, "Guard")],
         attributes={"title": "guard"}, region=HQ),
    Case(name="not equals where there is none", rules=[rule("title", Operator.NOT_EQUALS, "Guard")]),
    Case(name="contains", rules=[rule("userName", Operator.CONTAINS, "@NORTH.")],
         attributes={"userName": "ada@north.example"}),
    Case(name="contains takes no wildcards", rules=[rule("title", Operator.CONTAINS, "%")],
         attributes={"title": "Guard"}, region=HQ),
    Case(name="starts with", rules=[rule("title", Operator.STARTS_WITH, "night")], attributes={"title": "Nightwatch"}),
    Case(name="starts with, later", rules=[rule("title", Operator.STARTS_WITH, "watch")],
         attributes={"title": "Nightwatch"}, region=HQ),
    Case(name="quotes and backslashes", rules=[rule("title", Operator.EQUALS, 'a"b\\c')],
         attributes={"title": 'A"B\\C'}),
    Case(name="is not present", rules=[rule("title", Operator.IS_PRESENT)], region=HQ),
    Case(name="one of several values", rules=[rule("addresses.country", Operator.EQUALS, "AT")],
         attributes={"addresses": [{"country": "DE", "type": "home"}, {"country": "AT", "type": "work"}]}),
    Case(name="none of several values", rules=[rule("addresses.country", Operator.NOT_EQUALS, "AT")], region=HQ,
         attributes={"addresses": [{"country": "DE", "type": "home"}, {"country": "AT", "type": "work"}]}),
    Case(name="a complex attribute means its value", rules=[rule("emails", Operator.CONTAINS, "@north")],
         attributes={"emails": [{"value": "a@south.example"}, {"value": "a@north.example"}]}),
    Case(name="a boolean", rules=[rule("active", Operator.EQUALS, "False")], attributes={"active": False}),
    Case(name="a boolean, the other", rules=[rule("active", Operator.EQUALS, "false")], attributes={"active": True},
         region=HQ),
    Case(name="with its URN", rules=[rule(f"{enterprise.URN}:costCenter", Operator.EQUALS, "7")],
         attributes={enterprise.URN: {"costCenter": "7"}}),
    Case(name="a tenant's own attribute", rules=[rule(f"{URN}:site", Operator.EQUALS, "Graz")],
         attributes={URN: {"site": "Graz"}}),
    Case(name="a tenant's own attribute, case exact", rules=[rule(f"{URN}:site", Operator.EQUALS, "graz")],
         attributes={URN: {"site": "Graz"}}, region=HQ),
    Case(name="a number", rules=[rule(f"{URN}:floor", Operator.EQUALS, "12")], attributes={URN: {"floor": 12}}),
    Case(name="not that number", rules=[rule(f"{URN}:floor", Operator.NOT_EQUALS, "12")],
         attributes={URN: {"floor": 12}}, region=HQ),
    Case(name="a moment, in another zone", rules=[rule(f"{URN}:since", Operator.EQUALS, "2026-01-01T01:00:00+01:00")],
         attributes={URN: {"since": "2026-01-01T00:00:00Z"}}),
]  # fmt: skip
