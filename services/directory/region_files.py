"""Read and write the rules of regions as a TOML file, in which regions have their names."""

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.directory.region_rules import Operator, Rule, RuleError

FIELDS = ("attribute", "operator", "value", "region")


def parse(text: str, regions: Mapping[str, str]) -> Sequence[Rule]:
    """Return the rules of a file; `regions` has the ids of regions by their names, in lower case. Raises RuleError."""
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RuleError(f"This is not TOML: {error}") from error
    others, rules = sorted(found.keys() - {"rule"}), found.get("rule", [])
    if others or not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise RuleError("A file of rules has tables [[rule]] and nothing else")
    return [_rule(number, rule, regions) for number, rule in enumerate(rules, start=1)]


def write(rules: Sequence[Rule], regions: Mapping[str, str]) -> str:
    """Return the file of rules; `regions` has the names of regions by their ids."""
    return "\n".join(_written(rule, regions) for rule in rules)


def _rule(number: int, rule: Mapping[str, Any], regions: Mapping[str, str]) -> Rule:
    unknown = sorted(rule.keys() - set(FIELDS))
    if unknown:
        raise RuleError(f"Rule {number}: there is nothing called {unknown[0]!r}; a rule has {', '.join(FIELDS)}")
    texts = {name: rule.get(name, "") for name in FIELDS}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise RuleError(f"Rule {number}: {name} stands in quotes")
    if texts["operator"] not in set(Operator):
        raise RuleError(f"Rule {number}: the operator is one of: {', '.join(Operator)}")
    region = regions.get(texts["region"].strip().lower())
    if region is None:
        raise RuleError(f"Rule {number}: there is no region {texts['region'][:100]!r} (see: muster region add)")
    operator, value = Operator(texts["operator"]), texts["value"].strip()
    return Rule(attribute=texts["attribute"].strip(), operator=operator, value=value, region=region)


def _written(rule: Rule, regions: Mapping[str, str]) -> str:
    lines = ["[[rule]]", f"attribute = {_quoted(rule.attribute)}", f"operator = {_quoted(rule.operator)}"]
    lines += [] if rule.operator is Operator.IS_PRESENT else [f"value = {_quoted(rule.value)}"]
    return "\n".join([*lines, f"region = {_quoted(regions.get(rule.region, rule.region))}", ""])


def _quoted(text: str) -> str:
    """Return a text as TOML has it: as JSON, which leaves only DEL open."""
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")
