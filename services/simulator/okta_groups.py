"""How Okta pushes groups: created empty, then all members at once, later only who came and went; unlinked by DELETE."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.simulator import okta_bodies
from services.simulator.client import NOT_FOUND
from services.simulator.mapping import Body
from services.simulator.okta_bodies import Member, Mode
from services.simulator.people import Company, Group
from services.simulator.session import Session


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The steps for groups, in one session and mode."""

    session: Session
    mode: Mode

    def provision(self, company: Company) -> None:
        """Create, rename, fill and delete groups; people are there already."""

        def push(group: Group) -> None:
            self._push(group, self._members(company, group))

        waiting = [group for group in company.groups.values() if self._is_waiting(company, group)]
        self.session.each("groups", waiting, push)

    def _is_waiting(self, company: Company, group: Group) -> bool:
        known = self.session.memory.groups.get(group.external_id)
        if known is None or group.is_deleted:
            return not group.is_deleted or (known is not None and not known.is_deleted)
        ids = {member.id for member in self._members(company, group)}
        return known.display_name != group.display_name or ids != self.session.memory.members[group.external_id]

    def _members(self, company: Company, group: Group) -> list[Member]:
        ids = self.session.memory.user_ids
        return [
            Member(id=ids[key], display=company.people[key].user_name) for key in sorted(group.members) if key in ids
        ]

    def _push(self, group: Group, members: list[Member]) -> None:
        if group.is_deleted:
            self._delete(group)
            return
        group_id = self.session.memory.group_ids.get(group.external_id) or self._create(group)
        if group_id is not None and self._is_sent(group, group_id, members):
            self.session.memory.groups[group.external_id] = group
            self.session.memory.members[group.external_id] = {member.id for member in members}

    def _create(self, group: Group) -> str | None:
        body = okta_bodies.created_group(group)
        answer = self.session.client.expect("create group", "POST", "/Groups", subject=group.display_name, body=body)
        group_id = answer.resource().get("id") if answer.is_success else None
        if group_id:
            self.session.memory.group_ids[group.external_id] = str(group_id)
        return group_id

    def _is_sent(self, group: Group, group_id: str, members: list[Member]) -> bool:
        """Send name and members, in the way of the mode, and tell whether all of it got through."""
        match self.mode:
            case Mode.WIZARD:
                body = okta_bodies.replaced_group(group, group_id, members)
                return self._send("replace group", "PUT", group, [body])
            case Mode.TEMPLATE:
                # The name goes along with every change of the members.
                rename = [okta_bodies.renamed_group(group, group_id)]
                return self._send("rename group", "PATCH", group, rename) and self._is_filled(group, members)

    def _is_filled(self, group: Group, members: list[Member]) -> bool:
        """The first push names all members; later ones only the difference."""
        known = self.session.memory.members.get(group.external_id)
        if known is None:
            return self._send("push members", "PATCH", group, okta_bodies.pushed_members(members))
        leaving = sorted(known - {member.id for member in members})
        entering = [member for member in members if member.id not in known]
        return self._send("change members", "PATCH", group, okta_bodies.changed_members(leaving, entering))

    def _delete(self, group: Group) -> None:
        memory = self.session.memory
        path = f"/Groups/{memory.group_ids[group.external_id]}"
        answer = self.session.client.expect(
            "delete group", "DELETE", path, subject=group.display_name, tolerated=NOT_FOUND
        )
        if answer.is_success or answer.status in NOT_FOUND:
            memory.gone_groups[group.external_id] = memory.group_ids.pop(group.external_id)
            memory.groups[group.external_id] = group

    def _send(self, kind: str, method: str, group: Group, bodies: Iterable[Body]) -> bool:
        path, subject = f"/Groups/{self.session.memory.group_ids[group.external_id]}", group.display_name
        return all(
            self.session.client.expect(kind, method, path, subject=subject, body=body).is_success for body in bodies
        )
