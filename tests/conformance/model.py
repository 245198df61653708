"""A directory in memory, as simple as can be: what users and groups are after each write, if all is well."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.scim.schemas import enterprise, group, user

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user, as the model sees it."""

    name: str
    active: bool = True
    title: str | None = None
    department: str | None = None
    emails: tuple[tuple[str, str], ...] = ()
    """Type and value of each."""

    def document(self) -> Document:
        """Return what a client sends to make the user so."""
        emails = [{"type": kind, "value": value} for kind, value in self.emails]
        extension = {enterprise.URN: {"department": self.department}} if self.department else {}
        given = {"title": self.title} if self.title else {}
        emails_ = {"emails": emails} if emails else {}
        schemas = [user.URN, *extension]
        return {"schemas": schemas, "userName": self.name, "active": self.active, **given, **emails_, **extension}


@dataclass(frozen=True, kw_only=True)
class Team:
    """A group, as the model sees it."""

    name: str
    members: frozenset[str] = frozenset()

    def document(self) -> Document:
        """Return what a client sends to make the group so."""
        members = [{"value": member} for member in sorted(self.members)]
        return {"schemas": [group.URN], "displayName": self.name, "members": members}


@dataclass
class Directory:
    """All living users and groups by id; names are unique whatever their case."""

    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)

    def namesake(self, things: Mapping[str, Person] | Mapping[str, Team], name: str) -> str | None:
        """Return the id of the one among the users, or among the groups, that has this name."""
        return next((id_ for id_, thing in things.items() if thing.name.lower() == name.lower()), None)

    def forget(self, id_: str) -> None:
        """Delete a user or a group, and its memberships."""
        self.people.pop(id_, None)
        self.teams.pop(id_, None)
        self.teams = {key: replace(team, members=team.members - {id_}) for key, team in self.teams.items()}

    def teams_of(self, id_: str) -> set[str]:
        """Return the ids of the groups that someone is a member of."""
        return {key for key, team in self.teams.items() if id_ in team.members}
