"""The made-up company: the same for the same seed, believable, and changing in all the ways that Entra must follow."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from services.simulator import evolution, people
from services.simulator.people import Company, Person, Presence


def company(seed: int = 1, *, users: int = 200, groups: int = 20, memberships: int = 1000) -> Company:
    return people.found(seed, people=users, groups=groups, memberships=memberships)


def years(first: Company, cycles: int) -> list[Company]:
    made = [first]
    for cycle in range(2, cycles + 1):
        made.append(evolution.evolve(made[-1], cycle))
    return made


def test_the_same_seed_makes_the_same_company_and_history() -> None:
    assert years(company(7), 4) == years(company(7), 4)


def test_another_seed_shares_no_name_and_no_id() -> None:
    one, other = company(1), company(2)

    assert not {p.user_name for p in one.people.values()} & {p.user_name for p in other.people.values()}
    assert not set(one.people) & set(other.people)
    assert not {g.display_name for g in one.groups.values()} & {g.display_name for g in other.groups.values()}


def test_a_larger_company_begins_with_the_people_of_the_smaller_one() -> None:
    small, large = company(users=50), company(users=120)

    assert list(large.people)[:50] == list(small.people)
    assert [p.user_name for p in large.people.values()][:50] == [p.user_name for p in small.people.values()]


def test_names_are_unique_through_all_changes() -> None:
    last = years(company(), 8)[-1]

    user_names = [p.user_name.lower() for p in last.people.values()]
    display_names = [g.display_name.lower() for g in last.groups.values()]

    assert len(set(user_names)) == len(user_names)
    assert len(set(display_names)) == len(display_names)


def test_names_have_what_breaks_servers() -> None:
    everyone = company().people.values()

    assert any(not p.display_name.isascii() for p in everyone)
    assert any("'" in p.user_name for p in everyone)
    assert any("-" in p.user_name for p in everyone)
    assert all(p.user_name.isascii() and " " not in p.user_name for p in everyone)


def test_managers_are_a_tree_of_people_who_are_there() -> None:
    for year in years(company(), 8):
        for person in year.people.values():
            if person.manager:
                assert year.people[person.manager].index < person.index
                assert not year.people[person.manager].is_deleted


def test_members_are_people_who_are_there() -> None:
    for year in years(company(), 8):
        for group in year.groups.values():
            assert not any(year.people[key].is_deleted for key in group.members)


@pytest.mark.parametrize(("users", "groups", "wanted"), [(200, 20, 1000), (10, 3, 30), (30, 4, 7), (5, 0, 0)])
def test_memberships_are_as_many_as_asked_for(users: int, groups: int, wanted: int) -> None:
    made = company(users=users, groups=groups, memberships=wanted)

    assert sum(len(group.members) for group in made.groups.values()) == wanted


@pytest.mark.parametrize("users", [0, 1, 2, 5])
def test_the_smallest_companies_evolve_too(users: int) -> None:
    last = years(company(users=users, groups=2, memberships=users), 5)[-1]

    assert len(last.people) == users + 4


def left_at_once(before: Person, now: Person) -> bool:
    return before.presence is Presence.ACTIVE and now.presence is Presence.DELETED


CHANGES: dict[str, Callable[[Person, Person], bool]] = {
    "disabled": lambda before, now: (before.presence, now.presence) == (Presence.ACTIVE, Presence.DISABLED),
    "restored": lambda before, now: (before.presence, now.presence) == (Presence.DISABLED, Presence.ACTIVE),
    "deleted after disabled": lambda before, now: before.presence is Presence.DISABLED and now.is_deleted,
    "deleted at once": left_at_once,
    "renamed": lambda before, now: before.user_name != now.user_name,
    "promoted": lambda before, now: before.title != now.title,
    "transferred": lambda before, now: before.department != now.department,
    "given a manager": lambda before, now: now.manager is not None and before.manager != now.manager,
    "without a manager": lambda before, now: not now.is_deleted and before.manager is not None and now.manager is None,
    "with a new phone": lambda before, now: before.work_phone != now.work_phone,
    "without a mobile phone": lambda before, now: before.mobile_phone is not None and now.mobile_phone is None,
    "with a mobile phone": lambda before, now: before.mobile_phone is None and now.mobile_phone is not None,
}


@pytest.mark.parametrize("name", CHANGES)
def test_people_change_in_every_way_in_one_cycle(name: str) -> None:
    before, now = years(company(), 2)

    assert any(CHANGES[name](before.people[key], now.people[key]) for key in before.people)


def test_groups_are_renamed_deleted_and_change_members() -> None:
    before, now = years(company(), 2)
    pairs = [(group, now.groups[key]) for key, group in before.groups.items()]

    assert any(a.display_name != b.display_name for a, b in pairs)
    assert any(b.is_deleted for _, b in pairs)
    assert any(b.members - a.members for a, b in pairs)
    assert any(a.members - b.members for a, b in pairs if not b.is_deleted)


def test_the_first_person_keeps_name_and_presence() -> None:
    firsts = [next(iter(year.people.values())) for year in years(company(), 8)]

    assert all((a.user_name, a.presence) == (b.user_name, b.presence) for a, b in pairwise(firsts))
