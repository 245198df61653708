"""Ids of groups: the members' follow the group's own, and tell their place."""

import pytest

from services.directory import ids


@pytest.mark.parametrize("index", [0, 1, 999, ids.LARGEST_GROUP - 1])
def test_a_member_tells_its_group_and_its_place(index: int) -> None:
    group = ids.new_group()

    member = ids.member(group, index)

    assert (ids.group_of(member), ids.index_of(member)) == (group, index)
    assert group < member <= ids.last_of(group)
    assert (member.version, member.variant) == (7, group.variant)
    assert ids.parse(str(member)) == member


def test_a_group_has_no_more_members_than_its_bits_can_number() -> None:
    group = ids.new_group()

    with pytest.raises(AssertionError):
        ids.member(group, ids.LARGEST_GROUP)

    assert ids.new_group() > ids.last_of(group)
