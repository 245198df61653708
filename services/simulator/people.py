"""The made-up company: who works there, for whom, and in which groups, decided by a seed alone.

Person number i of a seed is the same in a company of any size, so that runs of different sizes can follow each other
in one directory.
"""

import random
import unicodedata
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from services.simulator import names

REPORTS = 7  # People under one manager, at most, in the company as founded.
DISABLED_SHARE = 0.02  # People who are disabled when the company is founded; some are restored later.


class Presence(Enum):
    """Where a person stands in the source directory."""

    ACTIVE = "active"
    DISABLED = "disabled"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class Person:
    """One employee, as the source directory knows them; `external_id` is their key in everything here."""

    index: int
    external_id: str
    user_name: str
    given_name: str
    family_name: str
    mail: str
    title: str
    department: str
    locale: str
    street: str
    city: str
    region: str
    postal_code: str
    country: str
    office: str
    work_phone: str
    mobile_phone: str | None
    manager: str | None
    presence: Presence = Presence.ACTIVE

    @property
    def display_name(self) -> str:
        return f"{self.given_name} {self.family_name}"

    @property
    def employee_number(self) -> str:
        return str(100_000 + self.index)

    @property
    def is_active(self) -> bool:
        return self.presence is Presence.ACTIVE

    @property
    def is_deleted(self) -> bool:
        return self.presence is Presence.DELETED


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group; `members` are the external ids of people."""

    index: int
    external_id: str
    display_name: str
    members: frozenset[str]
    is_deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class Company:
    """Everyone and every group, by external id in the order of their index, those that are gone included."""

    name: str
    domain: str
    seed: int
    people: Mapping[str, Person]
    groups: Mapping[str, Group]

    def replace_people(self, changed: Iterable[Person]) -> "Company":
        """Return the company with these people in place of their former selves, or added."""
        return replace(self, people={**self.people, **{person.external_id: person for person in changed}})

    def replace_groups(self, changed: Iterable[Group]) -> "Company":
        """Return the company with these groups in place of their former selves."""
        return replace(self, groups={**self.groups, **{group.external_id: group for group in changed}})


def found(seed: int, *, people: int, groups: int, memberships: int) -> Company:
    """Make the company of a seed as it is before its first cycle."""
    chance = seeded(seed, "company")
    name = f"{chance.choice(names.COMPANY_NAMES)}-{seed}"
    domain = f"{_ascii(name).lower()}.example"
    company = Company(name=name, domain=domain, seed=seed, people={}, groups={})
    company = company.replace_people(_first_people(company, people))
    return company.replace_groups(_first_groups(company, groups, memberships))


def hire(company: Company, index: int, manager: str | None) -> Person:
    """Make person number `index`, with a userName that nobody else has or had."""
    chance = seeded(company.seed, "person", index)
    city = chance.choice(names.CITIES)
    department = chance.choice(list(names.DEPARTMENTS))
    given, family = chance.choice(names.GIVEN_NAMES), chance.choice(names.FAMILY_NAMES)
    return Person(
        index=index,
        external_id=_guid(chance),
        given_name=given,
        family_name=family,
        user_name=unique_address(company, given, family, index),
        mail=unique_address(company, given, family, index),
        title=chance.choice(names.DEPARTMENTS[department]),
        department=department,
        manager=manager,
        locale=city.locale,
        street=digits(city.street, chance),
        city=city.name,
        region=city.region,
        postal_code=digits(city.postal, chance),
        country=city.country,
        office=f"{city.name}, {chance.randint(1, 9)}. floor",
        work_phone=digits(city.dial, chance),
        mobile_phone=digits("+00 7## ### ###", chance) if chance.random() < 0.7 else None,
    )


def unique_address(company: Company, given: str, family: str, index: int) -> str:
    """Return an address that no other index can get, whatever the size and the history of the company."""
    return f"{_mailbox(given, family)}{index}@{company.domain}"


def digits(pattern: str, chance: random.Random) -> str:
    """Return the pattern with a digit for every #."""
    return "".join(str(chance.randrange(10)) if char == "#" else char for char in pattern)


def seeded(*parts: object) -> random.Random:
    """Return a source of chance that depends on these parts alone, in every process."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 - reproducible by intent, and nothing here is secret.


def _first_people(company: Company, count: int) -> list[Person]:
    people: list[Person] = []
    taken: set[str] = set()
    for index in range(count):
        boss = people[(index - 1) // REPORTS].external_id if index else None
        person = _with_plain_address(company, hire(company, index, boss), taken)
        taken.add(person.user_name)
        people.append(person)
    chance = seeded(company.seed, "disabled")
    for index in chance.sample(range(1, count), min(count - 1, max(1, round(count * DISABLED_SHARE)))) if count else ():
        people[index] = replace(people[index], presence=Presence.DISABLED)
    return people


def _with_plain_address(company: Company, person: Person, taken: set[str]) -> Person:
    plain = f"{_mailbox(person.given_name, person.family_name)}@{company.domain}"
    return person if plain in taken else replace(person, user_name=plain, mail=plain)


def _first_groups(company: Company, count: int, memberships: int) -> list[Group]:
    everyone = list(company.people)
    sizes = _sizes(count, len(everyone), memberships)
    return [_group(company, index, everyone, size) for index, size in enumerate(sizes)]


def _group(company: Company, index: int, everyone: list[str], size: int) -> Group:
    chance = seeded(company.seed, "group", index)
    departments = list(names.DEPARTMENTS)
    department = departments[index % len(departments)]
    role = names.GROUP_ROLES[index // len(departments) % len(names.GROUP_ROLES)]
    series = index // (len(departments) * len(names.GROUP_ROLES))
    return Group(
        index=index,
        external_id=_guid(chance),
        display_name=f"{company.name} {department} {role}" + (f" {series + 1}" if series else ""),
        members=frozenset(chance.sample(everyone, size)),
    )


def _sizes(groups: int, people: int, memberships: int) -> list[int]:
    """Spread the memberships, larger groups first; none has more members than there are people."""
    weights = [1 / (rank + 1) ** 0.5 for rank in range(groups)]
    sizes: list[int] = []
    left, weight_left = memberships, sum(weights)
    for weight in weights:
        size = min(people, left, round(left * weight / weight_left))
        sizes.append(size)
        left, weight_left = left - size, weight_left - weight
    return sizes


def _mailbox(given: str, family: str) -> str:
    """Return the name in ASCII, with the apostrophes and hyphens that Entra allows in a userPrincipalName."""
    return f"{_ascii(given)}.{_ascii(family)}".lower().replace(" ", "").replace("..", ".")


def _guid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _ascii(text: str) -> str:
    spelled = "".join(names.ASCII_LETTERS.get(char, char) for char in names.ASCII_NAMES.get(text, text))
    return unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
