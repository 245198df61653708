"""How the company changes from one provisioning cycle to the next: hires, leavers, new names, moved members.

Every change is a function of the company and of chance; CHANGES lists them in the order in which they happen.
Randomness never walks a set: the order of strings in one differs from process to process.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from services.simulator import names, people
from services.simulator.people import Company, Group, Person, Presence

Change = Callable[[Company, random.Random], Company]
T = TypeVar("T")


def evolve(company: Company, cycle: int) -> Company:
    """Return the company as it is at the start of this cycle, given how it was at the one before."""
    chance = people.seeded(company.seed, "cycle", cycle)
    for change in CHANGES:
        company = change(company, chance)
    return company


def names_of(company: Company, group: Group) -> list[str]:
    """Return every name that a group may have, before and after it is renamed; no other group has any of them."""
    return [group.display_name, *_new_names(company, group)]


def _restore(company: Company, chance: random.Random) -> Company:
    chosen = _some(_having(company, Presence.DISABLED), 0.4, chance)
    return company.replace_people(replace(person, presence=Presence.ACTIVE) for person in chosen)


def _delete_disabled(company: Company, chance: random.Random) -> Company:
    return _delete(company, _some(_having(company, Presence.DISABLED), 0.2, chance))


def _delete_active(company: Company, chance: random.Random) -> Company:
    """Someone goes at once: Entra disables and deletes them in one cycle."""
    return _delete(company, _some(_having(company, Presence.ACTIVE), 0.002, chance))


def _disable(company: Company, chance: random.Random) -> Company:
    chosen = _some(_having(company, Presence.ACTIVE), 0.02, chance)
    return company.replace_people(replace(person, presence=Presence.DISABLED) for person in chosen)


def _hire(company: Company, chance: random.Random) -> Company:
    first = len(company.people)
    bosses = [person.external_id for person in company.people.values() if person.is_active]
    hired = [
        people.hire(company, index, chance.choice(bosses) if bosses else None)
        for index in range(first, first + max(1, round(first * 0.02)))
    ]
    company = company.replace_people(hired)
    joined = _some(_groups(company), 0.3, chance)
    return company.replace_groups(
        replace(group, members=group.members | {chance.choice(hired).external_id}) for group in joined
    )


def _rename(company: Company, chance: random.Random) -> Company:
    chosen = _some(_having(company, Presence.ACTIVE), 0.01, chance)
    return company.replace_people(_renamed(company, person, chance) for person in chosen)


def _renamed(company: Company, person: Person, chance: random.Random) -> Person:
    family = chance.choice([name for name in names.FAMILY_NAMES if name != person.family_name])
    address = people.unique_address(company, person.given_name, family, person.index)
    return replace(person, family_name=family, user_name=address, mail=address)


def _promote(company: Company, chance: random.Random) -> Company:
    chosen = _some(_having(company, Presence.ACTIVE), 0.03, chance)
    return company.replace_people(replace(person, title=f"Senior {person.title}") for person in chosen)


def _transfer(company: Company, chance: random.Random) -> Company:
    chosen = _some(_having(company, Presence.ACTIVE), 0.03, chance)
    return company.replace_people(_transferred(company, person, chance) for person in chosen)


def _transferred(company: Company, person: Person, chance: random.Random) -> Person:
    """A new manager always has a lower index, so nobody is ever their own manager's manager."""
    department = chance.choice([name for name in names.DEPARTMENTS if name != person.department])
    bosses = [p.external_id for p in company.people.values() if p.index < person.index and not p.is_deleted]
    boss = chance.choice(bosses) if bosses else None
    return replace(person, department=department, title=names.DEPARTMENTS[department][0], manager=boss)


def _set_free(company: Company, chance: random.Random) -> Company:
    """Someone reports to nobody any more: Entra clears the manager."""
    led = [person for person in _having(company, Presence.ACTIVE) if person.manager]
    return company.replace_people(replace(person, manager=None) for person in _some(led, 0.002, chance))


def _change_phone(company: Company, chance: random.Random) -> Company:
    chosen = _some(_having(company, Presence.ACTIVE), 0.03, chance)
    return company.replace_people(
        replace(person, work_phone=people.digits("+00 20 ### ####", chance)) for person in chosen
    )


def _change_mobile(company: Company, chance: random.Random) -> Company:
    """Those who have a mobile phone give it back, those who have none get one."""
    chosen = _some(_having(company, Presence.ACTIVE), 0.02, chance)
    number = people.digits("+00 7## ### ###", chance)
    return company.replace_people(
        replace(person, mobile_phone=None if person.mobile_phone else number) for person in chosen
    )


def _rename_groups(company: Company, chance: random.Random) -> Company:
    return company.replace_groups(
        _renamed_group(company, group, chance) for group in _some(_groups(company), 0.05, chance)
    )


def _renamed_group(company: Company, group: Group, chance: random.Random) -> Group:
    return replace(
        group, display_name=chance.choice([n for n in _new_names(company, group) if n != group.display_name])
    )


def _new_names(company: Company, group: Group) -> list[str]:
    return [f"{company.name} Portal {role} #{group.index}" for role in names.GROUP_ROLES]


def _move_members(company: Company, chance: random.Random) -> Company:
    everyone = [key for key, person in company.people.items() if not person.is_deleted]
    return company.replace_groups(
        _with_moves(group, everyone, chance) for group in _some(_groups(company), 0.5, chance)
    )


def _with_moves(group: Group, everyone: Sequence[str], chance: random.Random) -> Group:
    gone = _some([key for key in everyone if key in group.members], 0.05, chance)
    come = _some([key for key in everyone if key not in group.members], 0.01, chance)
    return replace(group, members=group.members - set(gone) | set(come[: len(gone) + 1]))


def _delete_group(company: Company, chance: random.Random) -> Company:
    chosen = _some(_groups(company)[1:], 0.01, chance)
    return company.replace_groups(replace(group, is_deleted=True, members=frozenset()) for group in chosen)


CHANGES: tuple[Change, ...] = (
    *(_restore, _delete_disabled, _delete_active, _disable, _hire, _rename, _promote, _transfer, _set_free),
    *(_change_phone, _change_mobile, _rename_groups, _move_members, _delete_group),
)


def _delete(company: Company, chosen: Sequence[Person]) -> Company:
    """Take these people out: their reports go to the next manager who stays, and no group keeps them."""
    gone = {person.external_id for person in chosen}
    left = company.replace_people(replace(person, presence=Presence.DELETED, manager=None) for person in chosen)
    orphans = [person for person in left.people.values() if person.manager in gone]
    left = left.replace_people(replace(person, manager=_next_boss(company, person, gone)) for person in orphans)
    return left.replace_groups(
        replace(group, members=group.members - gone) for group in left.groups.values() if group.members & gone
    )


def _next_boss(company: Company, person: Person, gone: set[str]) -> str | None:
    boss = person.manager
    while boss in gone:
        boss = company.people[boss].manager
    return boss


def _having(company: Company, presence: Presence) -> list[Person]:
    """Return the people of this presence, without the first person, who stays as they are for ever."""
    return [person for person in company.people.values() if person.presence is presence and person.index]


def _groups(company: Company) -> list[Group]:
    return [group for group in company.groups.values() if not group.is_deleted]


def _some(candidates: Sequence[T], share: float, chance: random.Random) -> list[T]:
    """Choose a share of the candidates, at least one if there is any."""
    return chance.sample(candidates, min(len(candidates), max(1, round(len(candidates) * share))))
