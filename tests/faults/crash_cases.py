"""The writes that crash points are tried with: small scripts that reach every statement of accept and drain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.directory import ids
from services.directory.journal import Write
from shared.scim.schemas import enterprise, group, user
from tests.factories import Tenant, patch, replace, write

Operations = tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Script:
    """Writes of one tenant, in the order in which they are sent; names stay the same from run to run."""

    tenant: Tenant
    writes: list[Write] = field(default_factory=list)

    def person(self, name: str, **attributes: Any) -> UUID:
        """Create a user."""
        urns = [user.URN, *(urn for urn in (enterprise.URN,) if urn in attributes)]
        return self._add("POST", "User", ids.new(), {"schemas": urns, "userName": name} | attributes)

    def group(self, name: str, *members: UUID) -> UUID:
        """Create a group."""
        body: dict[str, Any] = {"schemas": [group.URN], "displayName": name}
        return self._add("POST", "Group", ids.new(), body | ({"members": _members(*members)} if members else {}))

    def patch(self, lane: UUID, *operations: dict[str, Any], of: str = "User", if_match: str | None = None) -> None:
        """Change a resource."""
        self._add("PATCH", of, lane, patch(*operations), if_match)

    def put(self, lane: UUID, name: str, **attributes: Any) -> None:
        """Replace a user."""
        self._add("PUT", "User", lane, {"schemas": [user.URN], "userName": name} | attributes)

    def delete(self, lane: UUID, of: str = "User") -> None:
        """Delete a resource."""
        self._add("DELETE", of, lane, None)

    def _add(self, method: str, resource_type: str, lane: UUID, request: Any, if_match: str | None = None) -> UUID:
        added = write(self.tenant, method, request, resource_type=resource_type, lane=lane, if_match=if_match)
        self.writes.append(added)
        return lane


@dataclass(frozen=True, kw_only=True)
class Case:
    """A script, and whether its lanes have nothing to do with each other: then any order of them ends the same."""

    name: str
    write: Callable[[Script], None]
    is_independent: bool = False


def title(text: str) -> dict[str, Any]:
    """Return an operation that sets the title."""
    return replace("title", text)


def _members(*lanes: UUID) -> list[dict[str, Any]]:
    return [{"value": str(lane)} for lane in lanes]


def _members_operation(op: str, *lanes: UUID) -> dict[str, Any]:
    return {"op": op, "path": "members", "value": _members(*lanes)}


def _creates(script: Script) -> None:
    for number in range(4):
        script.person(f"person-{number}", title=f"title {number}")


def _one_lane(script: Script) -> None:
    lane = script.person("one")
    for number in range(4):
        script.patch(lane, title(f"{number}"))


def _two_lanes(script: Script) -> None:
    lanes = [script.person("left"), script.person("right")]
    for number in range(3):
        for lane in lanes:
            script.patch(lane, title(f"{number}"), replace("nickName", f"n{number}"))


def _replaced(script: Script) -> None:
    lane = script.person("replaced", title="old", nickName="nick")
    script.put(lane, "replaced", title="new")
    script.put(lane, "replaced", title="new")
    script.put(lane, "renamed", emails=[{"value": "a@example.com", "type": "work"}])


def _nothing_changes(script: Script) -> None:
    lane = script.person("same", title="same")
    script.patch(lane, title("same"))
    script.patch(lane, title("other"))
    script.patch(lane, title("other"))


def _conditions(script: Script) -> None:
    lane = script.person("conditional")
    script.patch(lane, title("first"), if_match='W/"1"')
    script.patch(lane, title("too late"), if_match='W/"1"')
    script.patch(lane, title("second"), if_match='W/"2"')


def _values(script: Script) -> None:
    lane = script.person("valued", emails=[{"value": "a@example.com", "type": "work"}], active=True)
    script.patch(lane, {"op": "add", "path": "emails", "value": [{"value": "b@example.com", "type": "home"}]})
    script.patch(lane, replace('emails[type eq "work"].value', "c@example.com"))
    script.patch(lane, {"op": "remove", "path": 'emails[type eq "home"]'})
    script.patch(lane, replace("active", value=False))


def _uniqueness(script: Script) -> None:
    script.person("taken")
    script.person("taken", title="refused")
    other = script.person("other")
    script.patch(other, replace("userName", "taken"))
    script.patch(other, title("goes on"))


def _deletion(script: Script) -> None:
    lane = script.person("gone", title="first")
    script.delete(lane)
    script.patch(lane, title("too late"))
    script.person("gone", title="second")
    script.delete(lane)


def _managers(script: Script) -> None:
    boss = script.person("boss", displayName="Boss")
    lane = script.person("worker", **{enterprise.URN: {"department": "Sales", "manager": {"value": str(boss)}}})
    script.patch(lane, replace(f"{enterprise.URN}:department", "Support"))
    script.delete(boss)
    script.patch(lane, title("orphan"))


def _joining(script: Script) -> None:
    lanes = [script.person(f"member-{number}", displayName=f"Member {number}") for number in range(4)]
    team = script.group("team", *lanes[:2])
    script.patch(team, _members_operation("add", *lanes[1:]), of="Group")
    script.patch(team, {"op": "remove", "path": f'members[value eq "{lanes[0]}"]'}, of="Group")
    script.patch(team, _members_operation("remove", lanes[3]), replace("displayName", "crew"), of="Group")


def _replaced_members(script: Script) -> None:
    lanes = [script.person(f"member-{number}") for number in range(3)]
    team = script.group("team", lanes[0])
    script.patch(team, _members_operation("replace", *lanes[1:]), of="Group")
    script.patch(team, _members_operation("replace", ids.new()), of="Group")
    script.patch(team, _members_operation("replace", lanes[0]), replace("externalId", "x"), of="Group")


def _leaving(script: Script) -> None:
    lanes = [script.person(f"member-{number}") for number in range(2)]
    for name in ("first", "second"):
        script.group(name, *lanes)
    script.delete(lanes[0])


def _dissolved(script: Script) -> None:
    lane = script.person("member")
    inner = script.group("inner", lane)
    outer = script.group("outer", inner, lane)
    script.delete(inner, of="Group")
    script.delete(outer, of="Group")


def _many(script: Script) -> None:
    lanes = [script.person(f"person-{number:02}") for number in range(10)]
    script.group("all", *lanes)


CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        Case(name="creates", write=_creates, is_independent=True),
        Case(name="one lane", write=_one_lane, is_independent=True),
        Case(name="two lanes", write=_two_lanes, is_independent=True),
        Case(name="replaced", write=_replaced, is_independent=True),
        Case(name="nothing changes", write=_nothing_changes, is_independent=True),
        Case(name="conditions", write=_conditions, is_independent=True),
        Case(name="values", write=_values, is_independent=True),
        Case(name="uniqueness", write=_uniqueness),
        Case(name="deletion", write=_deletion),
        Case(name="managers", write=_managers),
        Case(name="joining", write=_joining),
        Case(name="replaced members", write=_replaced_members),
        Case(name="leaving", write=_leaving),
        Case(name="dissolved", write=_dissolved),
        Case(name="many", write=_many),
    )
}


def writes(case: Case, tenant: Tenant) -> list[Write]:
    """Return the writes of a case for a tenant of its own."""
    script = Script(tenant)
    case.write(script)
    return script.writes
