"""Which region rules say: a table of cases, the same as in SQL (tests/integration/test_region_moves.py), and what must
hold for all rules."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory import region_rules
from services.directory.region_rules import HQ, Operator, Rule, RuleError
from shared.scim.resource_types import USERS
from tests.factories import employee
from tests.region_cases import CASES, EXTENDED, URN, Case, rule


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_first_rule_that_holds_says_the_region(case: Case) -> None:
    compiled = region_rules.compiled(region_rules.checked(case.rules, EXTENDED), EXTENDED)

    assert region_rules.region_of(compiled, employee(**case.attributes)) == case.region


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rule_that_decides_is_told(case: Case) -> None:
    number = region_rules.first_match(case.rules, employee(**case.attributes), EXTENDED)

    assert (HQ if number is None else case.rules[number - 1].region) == case.region


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (rule("", Operator.EQUALS, "x"), "Rule 1: choose an attribute"),
        (rule("department", Operator.EQUALS, ""), "Rule 1: say what"),
        (rule("nothing", Operator.EQUALS, "x"), "no attribute 'nothing'"),
        (rule("department", Operator.EQUALS, "x" * 10_000), "at most 200 characters"),
        (rule("x" * 10_000, Operator.EQUALS, "x"), "at most 400 characters"),
        (rule("department", Operator.EQUALS, "a\0b"), "no NUL"),
        (rule("department", Operator.EQUALS, "\ud800"), "no NUL"),
        (rule("password", Operator.STARTS_WITH, "a"), "cannot be compared by a rule"),
        (rule("groups.display", Operator.EQUALS, "Staff"), "cannot be compared by a rule"),
        (rule("manager.displayName", Operator.EQUALS, "Ada"), "cannot be compared by a rule"),
        (rule("id", Operator.EQUALS, "1"), "cannot be compared by a rule"),
        (rule("meta.created", Operator.IS_PRESENT), "cannot be compared by a rule"),
        (rule("name", Operator.IS_PRESENT), "cannot be compared by a rule"),
        (rule("x509Certificates", Operator.IS_PRESENT), "cannot be compared by a rule"),
        (rule(f"{URN}:iban", Operator.EQUALS, "AT61"), "cannot be compared by a rule"),
        (rule("active", Operator.EQUALS, "perhaps"), "active is compared with true or false"),
        (rule("active", Operator.CONTAINS, "true"), "is no text"),
        (rule(f"{URN}:floor", Operator.EQUALS, "high"), "a whole number"),
        (rule(f"{URN}:floor", Operator.EQUALS, "1 or title pr"), "a whole number"),
        (rule("title pr or title", Operator.EQUALS, "x"), "no attribute"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: Rule, told: str) -> None:
    with pytest.raises(RuleError, match=r"^Rule 1: ") as refused:
        region_rules.checked([wrong], EXTENDED)

    assert told in str(refused.value)


def test_there_are_not_more_rules_than_anybody_reads() -> None:
    with pytest.raises(RuleError, match="at most 50"):
        region_rules.checked([rule("title", Operator.IS_PRESENT)] * 51, USERS)


def test_a_rule_whose_attribute_is_declared_no_longer_holds_for_nobody() -> None:
    rules = [rule(f"{URN}:site", Operator.IS_PRESENT), rule("title", Operator.IS_PRESENT, region="South")]
    somebody = employee(title="Clerk", **{URN: {"site": "A"}})

    assert region_rules.region_of(region_rules.compiled(rules, EXTENDED), somebody) == "North"
    assert region_rules.region_of(region_rules.compiled(rules, USERS), somebody) == "South"


def test_everything_that_is_offered_can_be_compared() -> None:
    offered = [path.text for path in region_rules.offered(EXTENDED)]

    made = region_rules.checked([rule(text, Operator.IS_PRESENT) for text in offered][:50], EXTENDED)

    assert {f"{URN}:site", f"{URN}:floor", "title", "emails.value"} <= set(offered)
    assert not {"password", f"{URN}:iban", "groups.value", "id"} & set(offered)
    assert [each.attribute for each in made] == offered[:50]


def test_what_is_written_is_read_again() -> None:
    rules = [rule("title", Operator.NOT_EQUALS, 'Says "hi" \\ too'), rule("active", Operator.IS_PRESENT)]

    assert region_rules.read(region_rules.document(rules)) == rules


_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
_OPERATORS = st.sampled_from([operator for operator in Operator if operator is not Operator.IS_PRESENT])
_RULES = st.lists(
    st.builds(rule, st.sampled_from(["title", "department", "nickName"]), _OPERATORS, _TEXTS, _TEXTS), max_size=6
)


@given(rules=_RULES, title=_TEXTS, department=_TEXTS)
def test_rules_after_the_one_that_holds_change_nothing(rules: list[Rule], title: str, department: str) -> None:
    somebody: dict[str, Any] = employee(title=title, **_department(department))
    whole = region_rules.region_of(region_rules.compiled(rules, USERS), somebody)

    number = region_rules.first_match(rules, somebody, USERS)

    kept = rules if number is None else rules[:number]
    assert region_rules.region_of(region_rules.compiled(kept, USERS), somebody) == whole
    assert whole == (HQ if number is None else rules[number - 1].region)


@given(value=_TEXTS, title=_TEXTS)
def test_not_equals_is_the_contrary_of_equals(value: str, title: str) -> None:
    def holds(operator: Operator) -> bool:
        compiled = region_rules.compiled([rule("title", operator, value)], USERS)
        return region_rules.region_of(compiled, employee(title=title)) == "North"

    assert holds(Operator.EQUALS) is not holds(Operator.NOT_EQUALS)
    assert not holds(Operator.EQUALS) or (holds(Operator.CONTAINS) and holds(Operator.STARTS_WITH))


def _department(name: str) -> dict[str, Any]:
    return {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": name}}
