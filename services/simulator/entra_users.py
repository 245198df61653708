"""How Entra ID provisions people: match or create, PATCH what changed, disable, restore, delete, name the manager."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.simulator import entra_bodies, mapping, matching, profiles
from services.simulator.client import NOT_FOUND
from services.simulator.entra_bodies import Changes, Dialect
from services.simulator.matching import Wanted
from services.simulator.people import Company, Person
from services.simulator.session import Session


@dataclass(frozen=True, kw_only=True)
class Users:
    """The steps for people, in one session and dialect."""

    session: Session
    dialect: Dialect

    def provision(self, company: Company) -> None:
        """Bring every person whose attributes or presence changed up to date, without references."""
        known = self.session.memory.people
        waiting = [person for key, person in company.people.items() if person != known.get(key)]
        self.session.each("users", waiting, self._person)

    def reference_managers(self, company: Company, *, is_initial: bool) -> None:
        """Name the managers, once everyone has an id; before an update Entra asks whether it is needed."""
        ids, known = self.session.memory.user_ids, self.session.memory.managers
        wanted = {key: _manager_id(person, ids) for key, person in company.people.items() if key in ids}
        waiting = [key for key, manager in wanted.items() if known.get(key) != manager]

        def reference(key: str) -> None:
            self._reference(key, wanted[key], is_initial=is_initial)

        self.session.each("managers", waiting, reference)

    def _person(self, person: Person) -> None:
        known = self.session.memory.people.get(person.external_id)
        if known is None:
            if not person.is_deleted:
                self._match_or_create(person)
        elif not person.is_deleted:
            self._update(known, person)
        elif not known.is_deleted:
            self._delete(known, person)

    def _match_or_create(self, person: Person) -> None:
        wanted = Wanted(
            noun="user",
            path="/Users",
            name_condition=f'userName eq "{person.user_name}"',
            external_id=person.external_id,
            body=entra_bodies.created_user(person),
        )
        if joined := matching.match_or_create(self.session, wanted):
            found = joined.found or {}
            self.session.memory.managers[person.external_id] = mapping.manager(found)
            if joined.found is None or self._is_adopted(person, joined.id, found):
                self._remember(person, joined.id)

    def _is_adopted(self, person: Person, user_id: str, resource: Mapping[str, Any]) -> bool:
        changes = changed(profiles.ENTRA.found(resource), profiles.ENTRA.attributes(person))
        return not changes or self._patch("update user", user_id, person, changes)

    def _update(self, known: Person, person: Person) -> None:
        """Only what changed in the company is sent, so that the check sees what the directory lost by itself."""
        changes = changed(profiles.ENTRA.attributes(known), profiles.ENTRA.attributes(person))
        user_id = self.session.memory.user_ids[person.external_id]
        if not changes or (self._get(user_id, person) and self._patch(_kind(changes), user_id, person, changes)):
            self.session.memory.people[person.external_id] = person

    def _delete(self, known: Person, person: Person) -> None:
        user_id = self.session.memory.user_ids[person.external_id]
        if known.is_active and not self._patch("disable user", user_id, person, {mapping.ACTIVE: (True, False)}):
            return
        answer = self.session.client.expect(
            "delete user", "DELETE", f"/Users/{user_id}", subject=person.user_name, tolerated=NOT_FOUND
        )
        if answer.is_success or answer.status in NOT_FOUND:
            self._forget(person, user_id)

    def _get(self, user_id: str, person: Person) -> bool:
        path = f"/Users/{user_id}"
        return self.session.client.expect("get user", "GET", path, subject=person.user_name).is_success

    def _patch(self, kind: str, user_id: str, person: Person, changes: Changes) -> bool:
        body = entra_bodies.changed_user(self.dialect, changes)
        path = f"/Users/{user_id}"
        return self.session.client.expect(kind, "PATCH", path, subject=person.user_name, body=body).is_success

    def _reference(self, key: str, manager_id: str | None, *, is_initial: bool) -> None:
        memory = self.session.memory
        user_id = memory.user_ids[key]
        if manager_id and not is_initial and self._is_referenced(user_id, manager_id):
            memory.managers[key] = manager_id
            return
        kind, body = "clear manager", entra_bodies.cleared_manager(self.dialect)
        if manager_id:
            location = f"{self.session.target.base}/Users/{manager_id}"
            kind, body = "set manager", entra_bodies.set_manager(self.dialect, manager_id, location)
        if self.session.client.expect(kind, "PATCH", f"/Users/{user_id}", subject=user_id, body=body).is_success:
            memory.managers[key] = manager_id

    def _is_referenced(self, user_id: str, manager_id: str) -> bool:
        query = {"filter": f'id eq "{user_id}" and manager eq "{manager_id}"', "attributes": "id"}
        answer = self.session.client.expect("check reference", "GET", "/Users", subject=user_id, query=query)
        return bool(answer.resources())

    def _remember(self, person: Person, user_id: str) -> None:
        self.session.memory.user_ids[person.external_id] = user_id
        self.session.memory.people[person.external_id] = person

    def _forget(self, person: Person, user_id: str) -> None:
        del self.session.memory.user_ids[person.external_id]
        self.session.memory.gone_users[person.external_id] = user_id
        self.session.memory.people[person.external_id] = person


def changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """Return what differs, as path -> (value before, value now)."""
    return {path: (before[path], value) for path, value in now.items() if before[path] != value}


def _kind(changes: Changes) -> str:
    return {None: "update user", True: "restore user", False: "disable user"}[
        bool(changes[mapping.ACTIVE][1]) if mapping.ACTIVE in changes else None
    ]


def _manager_id(person: Person, ids: Mapping[str, str]) -> str | None:
    return ids.get(person.manager) if person.manager else None
