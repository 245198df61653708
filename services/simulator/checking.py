"""Reads the directory back, page by page, and compares it with the company: every attribute, reference and member.

People and groups of others are left alone; ours are told by externalId, or by what else the provider gives them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from services.simulator import mapping
from services.simulator.client import NOT_FOUND
from services.simulator.people import Company, Group, Person
from services.simulator.report import Difference
from services.simulator.session import Session

PAGE = 200
KIND = "read back"

Resource = Mapping[str, Any]


def compare(session: Session, company: Company) -> list[Difference]:
    """Return everything in which the directory differs from the company."""
    session.display.phase("check", 4)
    users = listed(session, "/Users", {}, "externalId")
    session.display.step()
    groups = listed(session, "/Groups", {"excludedAttributes": "members"}, session.profile.group_key)
    session.display.step()
    differences = [d for person in company.people.values() for d in _person(session, company, person, users)]
    session.display.step()
    for found in session.pool.map(lambda group: _group(session, group, groups), company.groups.values()):
        differences.extend(found)
    session.display.step()
    return [*differences, *_gone(session)]


def counts(company: Company) -> dict[str, int]:
    """Return how much a check compares."""
    return {
        "users": sum(not person.is_deleted for person in company.people.values()),
        "groups": sum(not group.is_deleted for group in company.groups.values()),
        "memberships": sum(len(group.members) for group in company.groups.values()),
        "deleted": sum(person.is_deleted for person in company.people.values())
        + sum(group.is_deleted for group in company.groups.values()),
    }


def listed(session: Session, path: str, query: Mapping[str, str], key: str) -> dict[str, list[Resource]]:
    """List a whole endpoint, and return its resources by an attribute; a well-kept directory has one for each."""
    resources: dict[str, list[Resource]] = {}
    for resource in session.client.pages(KIND, path, query, PAGE):
        resources.setdefault(str(resource.get(key)), []).append(resource)
    return resources


def _person(
    session: Session, company: Company, person: Person, users: Mapping[str, list[Resource]]
) -> Iterator[Difference]:
    subject = f"user {person.user_name}"
    resources = users.get(person.external_id, [])
    yield from _presence(subject, resources, session.memory.user_ids.get(person.external_id))
    if person.is_deleted or not resources:
        return
    found = session.profile.found(resources[0])
    for path, value in session.profile.attributes(person).items():
        yield from _different(subject, path, value, found[path])
    if session.profile.refers_to_managers:
        yield from _manager(session, company, person, resources[0])


def _manager(session: Session, company: Company, person: Person, resource: Resource) -> Iterator[Difference]:
    subject = f"user {person.user_name}"
    manager = session.memory.user_ids.get(person.manager) if person.manager else None
    yield from _different(subject, mapping.MANAGER, manager, mapping.manager(resource))
    if person.manager and manager is None:
        name = company.people[person.manager].user_name
        yield Difference(subject=subject, attribute=mapping.MANAGER, expected=name, found="never provisioned")


def _group(session: Session, group: Group, groups: Mapping[str, list[Resource]]) -> list[Difference]:
    subject = f"group {group.display_name}"
    resources = groups.get(_key(session, group), [])
    group_id = session.memory.group_ids.get(group.external_id)
    differences = list(_presence(subject, resources, group_id))
    if group.is_deleted or not resources:
        return differences
    answer = session.client.expect(KIND, "GET", f"/Groups/{resources[0]['id']}", subject=subject)
    resource = answer.resource()
    differences += _different(subject, "displayName", group.display_name, resource.get("displayName"))
    return [*differences, *_members(session, group, resource)]


def _key(session: Session, group: Group) -> str:
    return {"externalId": group.external_id, "displayName": group.display_name}[session.profile.group_key]


def _members(session: Session, group: Group, resource: Resource) -> Iterator[Difference]:
    """Whoever was a member before us may stay; everyone else must be as in the company, and once."""
    subject = f"group {group.display_name}"
    found = mapping.member_ids(resource)
    wanted = {session.memory.user_ids.get(key, f"{key}, never provisioned") for key in group.members}
    foreign = session.memory.foreign_members.get(group.external_id, frozenset())
    for user in sorted(wanted - set(found)):
        yield Difference(subject=subject, attribute="members", expected=user, found="absent")
    for user in sorted(set(found) - wanted - foreign):
        yield Difference(subject=subject, attribute="members", expected="absent", found=user)
    if len(set(found)) != len(found):
        repeated = str(len(found) - len(set(found)))
        yield Difference(subject=subject, attribute="members", expected="each once", found=f"{repeated} repeated")


def _presence(subject: str, resources: list[Resource], known_id: str | None) -> Iterable[Difference]:
    """A resource is there once and under the id it was created with, or not at all."""
    ids = [str(resource.get("id")) for resource in resources]
    return _different(subject, "id", [known_id] if known_id else [], ids)


def _gone(session: Session) -> list[Difference]:
    """What was deleted must answer 404 (RFC 7644 section 3.6)."""
    memory = session.memory
    paths = [f"/Users/{user}" for user in memory.gone_users.values()]
    paths += [f"/Groups/{group}" for group in memory.gone_groups.values()]
    return [d for found in session.pool.map(lambda path: _answers_404(session, path), paths) for d in found]


def _answers_404(session: Session, path: str) -> list[Difference]:
    status = session.client.expect(KIND, "GET", path, subject=path, tolerated=NOT_FOUND | {200}).status
    return list(_different(f"deleted {path}", "status", 404, status))


def _different(subject: str, attribute: str, expected: object, found: object) -> Iterable[Difference]:
    if expected == found and type(expected) is type(found):
        return ()
    return (Difference(subject=subject, attribute=attribute, expected=repr(expected), found=repr(found)),)
