"""How Entra ID provisions groups: empty at first, then members one by one, up to five requests at once on one group."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.simulator import entra_bodies, mapping, matching
from services.simulator.client import NOT_FOUND
from services.simulator.entra_bodies import Dialect
from services.simulator.matching import Wanted
from services.simulator.people import Company, Group
from services.simulator.session import Session

AT_ONCE = 5
WITHOUT_MEMBERS = {"excludedAttributes": "members"}


@dataclass(frozen=True, kw_only=True)
class Move:
    """One member that enters or leaves a group."""

    group: str
    user_id: str
    enters: bool


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The steps for groups, in one session and dialect."""

    session: Session
    dialect: Dialect

    def provision(self, company: Company) -> None:
        """Create, rename and delete groups, without touching members."""
        self.session.each("groups", [g for g in company.groups.values() if self._is_waiting(g)], self._group)

    def move_members(self, company: Company, *, is_initial: bool) -> None:
        """Add and remove members; in later cycles Entra asks first whether the member is there already."""
        present = [group for key, group in company.groups.items() if key in self.session.memory.group_ids]
        moves = [self._moves(group) for group in present]
        self.session.display.phase("members", sum(map(len, moves)))

        def work(lane: Iterable[Move]) -> None:
            for move in lane:
                self._move(move, asks_first=move.enters and not is_initial)
                self.session.display.step()

        self.session.lanes(work, [lane for group in moves for lane in lanes(group)])

    def _is_waiting(self, group: Group) -> bool:
        known = self.session.memory.groups.get(group.external_id)
        if known is None:
            return not group.is_deleted
        return (known.display_name, known.is_deleted) != (group.display_name, group.is_deleted)

    def _group(self, group: Group) -> None:
        if group.external_id not in self.session.memory.groups:
            self._match_or_create(group)
        elif group.is_deleted:
            self._delete(group)
        else:
            self._rename(group)

    def _match_or_create(self, group: Group) -> None:
        wanted = Wanted(
            noun="group",
            path="/Groups",
            name_condition=f'displayName eq "{group.display_name}"',
            external_id=group.external_id,
            body=entra_bodies.created_group(group),
            query=WITHOUT_MEMBERS,
        )
        if joined := matching.match_or_create(self.session, wanted):
            if joined.found is None:
                self._remember(group, joined.id, members=frozenset())
            else:
                self._adopt(group, joined.id, joined.found)

    def _adopt(self, group: Group, group_id: str, resource: Mapping[str, Any]) -> None:
        """Take over a group that was there, with the members it has."""
        names = (resource.get("displayName"), resource.get("externalId"))
        if names != (group.display_name, group.external_id) and not self._patch_names(group_id, group):
            return
        path = f"/Groups/{group_id}"
        answer = self.session.client.expect("get members", "GET", path, subject=group.display_name)
        if answer.is_success:
            self._remember(group, group_id, frozenset(mapping.member_ids(answer.resource())))

    def _remember(self, group: Group, group_id: str, members: frozenset[str]) -> None:
        memory = self.session.memory
        memory.group_ids[group.external_id] = group_id
        memory.groups[group.external_id] = group
        memory.members[group.external_id] = set(members)
        memory.foreign_members[group.external_id] = members - set(memory.user_ids.values())

    def _rename(self, group: Group) -> None:
        group_id = self.session.memory.group_ids[group.external_id]
        answer = self.session.client.expect(
            "get group", "GET", f"/Groups/{group_id}", subject=group.display_name, query=WITHOUT_MEMBERS
        )
        if answer.is_success and self._patch_names(group_id, group):
            self.session.memory.groups[group.external_id] = group

    def _patch_names(self, group_id: str, group: Group) -> bool:
        body = entra_bodies.renamed_group(self.dialect, group)
        path = f"/Groups/{group_id}"
        return self.session.client.expect(
            "rename group", "PATCH", path, subject=group.display_name, body=body
        ).is_success

    def _delete(self, group: Group) -> None:
        memory = self.session.memory
        group_id = memory.group_ids[group.external_id]
        answer = self.session.client.expect(
            "delete group", "DELETE", f"/Groups/{group_id}", subject=group.display_name, tolerated=NOT_FOUND
        )
        if answer.is_success or answer.status in NOT_FOUND:
            memory.gone_groups[group.external_id] = memory.group_ids.pop(group.external_id)
            memory.groups[group.external_id] = group

    def _moves(self, group: Group) -> list[Move]:
        """Compare with what was sent before; people who were deleted need no removal, nor those of others."""
        memory = self.session.memory
        known = memory.members[group.external_id]
        known.difference_update(memory.gone_users.values())
        wanted = [memory.user_ids[key] for key in sorted(group.members) if key in memory.user_ids]
        leaving = known.difference(wanted, memory.foreign_members[group.external_id])
        enter = [Move(group=group.external_id, user_id=user, enters=True) for user in wanted if user not in known]
        leave = [Move(group=group.external_id, user_id=user, enters=False) for user in sorted(leaving)]
        return enter + leave

    def _move(self, move: Move, *, asks_first: bool) -> None:
        group_id = self.session.memory.group_ids[move.group]
        if asks_first and self._is_member(group_id, move.user_id):
            self.session.memory.members[move.group].add(move.user_id)
        elif move.enters:
            self._add(group_id, move)
        else:
            self._remove(group_id, move)

    def _is_member(self, group_id: str, user_id: str) -> bool:
        query = {**WITHOUT_MEMBERS, "filter": f'id eq "{group_id}" and members eq "{user_id}"'}
        answer = self.session.client.expect("check reference", "GET", "/Groups", subject=group_id, query=query)
        return bool(answer.resources())

    def _add(self, group_id: str, move: Move) -> None:
        body = entra_bodies.added_member(self.dialect, move.user_id)
        answer = self.session.client.expect("add member", "PATCH", f"/Groups/{group_id}", subject=group_id, body=body)
        if answer.is_success:
            self.session.memory.members[move.group].add(move.user_id)

    def _remove(self, group_id: str, move: Move) -> None:
        body = entra_bodies.removed_member(self.dialect, move.user_id)
        path = f"/Groups/{group_id}"
        answer = self.session.client.expect("remove member", "PATCH", path, subject=group_id, body=body)
        if answer.is_success:
            self.session.memory.members[move.group].discard(move.user_id)


def lanes(moves: list[Move]) -> list[list[Move]]:
    """Deal the moves of one group to as many lanes as Entra has requests at once on it."""
    return [moves[first::AT_ONCE] for first in range(min(AT_ONCE, len(moves)))]
