"""Random lives of users and groups over HTTP, held against a directory in memory after each step."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from shared.scim.schemas import enterprise
from shared.settings import Settings
from tests import factories
from tests.conformance.model import Directory, Document, Person, Team
from tests.conftest import make_tenant
from tests.factories import Client

# Few and alike, so that they collide: the same in another case, beyond ASCII, with what filters must quote.
USER_NAMES = st.sampled_from(["ada", "ADA", "bob", 'o"neill', "o\\x", "%", "_", "åsa", "ÅSA", "李"])
TEAM_NAMES = st.sampled_from(["patrol", "Patrol", "kitchen", "bar 'n' grill", "Küche", "KÜCHE"])
TITLES = st.sampled_from([None, "Cook", "Countess"])
EMAILS = st.lists(
    st.tuples(st.sampled_from(["work", "home"]), st.sampled_from(["a@example.com", "b@example.com"])),
    max_size=2,
    unique_by=lambda email: email[0],
).map(tuple)
PEOPLE = st.builds(
    Person,
    name=USER_NAMES,
    active=st.booleans(),
    title=TITLES,
    department=st.sampled_from([None, "Sales"]),
    emails=EMAILS,
)

users, groups, dead = Bundle("users"), Bundle("groups"), Bundle("dead")
MEMBERS = st.lists(users, max_size=3)

SETTINGS = settings(
    max_examples=30,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

PAIRS = [("POST", 201), ("POST", 409), *((m, s) for m in ("PUT", "PATCH") for s in (200, 404)), ("PUT", 409)]
PAIRS += [("DELETE", 204), ("DELETE", 404)]
ANSWERS = {
    *(f"{method} {kind} {status}" for kind in ("Users", "Groups") for method, status in PAIRS),
    *("POST Groups 400", "PUT Groups 400", "PATCH Groups 400", "PATCH Users 409"),
}
"""What a run must have seen to be worth something."""


class Life(RuleBasedStateMachine):
    """One tenant, from its beginning."""

    users, groups, dead = users, groups, dead

    def __init__(self, client: Client, seen: Counter[str]) -> None:
        super().__init__()
        self.client, self.model, self.seen = client, Directory(), seen

    def teardown(self) -> None:
        self.client.close()

    @initialize(target=users)
    def begin_with_people(self) -> Any:
        return multiple(*(self._create_user(Person(name=name)) for name in ("ada", "bob", "eve")))

    @initialize(target=groups)
    def begin_with_teams(self) -> Any:
        everyone = frozenset(self.model.people)
        return multiple(*(self._create_group(Team(name=name, members=everyone)) for name in ("patrol", "kitchen")))

    @rule(target=users, person=PEOPLE)
    def create_user(self, person: Person) -> Any:
        if self.model.namesake(self.model.people, person.name) is None:
            return self._create_user(person)
        self._send("POST", "/Users", person.document(), 409)
        return multiple()

    @rule(target=groups, name=TEAM_NAMES, members=MEMBERS)
    def create_group(self, name: str, members: list[str]) -> Any:
        team = Team(name=name, members=frozenset(members))
        if self.model.namesake(self.model.teams, name) is None:
            return self._create_group(team)
        self._send("POST", "/Groups", team.document(), 409)
        return multiple()

    @rule(id_=users, person=PEOPLE)
    def replace_user(self, id_: str, person: Person) -> None:
        status = self._renamed(self.model.people, id_, person.name)
        self._send("PUT", f"/Users/{id_}", person.document(), status)
        if status == 200:
            self.model.people[id_] = person

    @rule(id_=groups, name=TEAM_NAMES, members=MEMBERS)
    def replace_group(self, id_: str, name: str, members: list[str]) -> None:
        team = Team(name=name, members=frozenset(members))
        status = self._renamed(self.model.teams, id_, name)
        self._send("PUT", f"/Groups/{id_}", team.document(), status)
        if status == 200:
            self.model.teams[id_] = team

    @rule(id_=users, title=TITLES, active=st.booleans(), as_text=st.booleans())
    def patch_user(self, id_: str, title: str | None, active: bool, as_text: bool) -> None:
        value = str(active) if as_text else active
        activate = {"op": "Replace", "path": "active", "value": value}
        self._patch(f"/Users/{id_}", factories.replace("title", title), activate)
        self.model.people[id_] = replace(self.model.people[id_], title=title, active=active)

    @rule(id_=users, kind=st.sampled_from(["work", "home"]), value=st.sampled_from(["c@example.com", "d@example.com"]))
    def set_email(self, id_: str, kind: str, value: str) -> None:
        self._patch(f"/Users/{id_}", {"op": "add", "path": f'emails[type eq "{kind}"].value', "value": value})
        before = self.model.people[id_]
        emails = tuple((k, value if k == kind else v) for k, v in before.emails)
        emails += () if kind in dict(emails) else ((kind, value),)
        self.model.people[id_] = replace(before, emails=emails)

    @rule(id_=users, name=USER_NAMES)
    def rename_user(self, id_: str, name: str) -> None:
        status = self._renamed(self.model.people, id_, name)
        self._patch(f"/Users/{id_}", {"op": "replace", "value": {"userName": name}}, status=status)
        if status == 200:
            self.model.people[id_] = replace(self.model.people[id_], name=name)

    @rule(id_=users, department=st.sampled_from(["Sales", "Engines", None]))
    def move_user(self, id_: str, department: str | None) -> None:
        self._patch(f"/Users/{id_}", {"op": "replace", "value": {f"{enterprise.URN}:department": department}})
        self.model.people[id_] = replace(self.model.people[id_], department=department)

    @rule(id_=groups, members=st.lists(st.one_of(users, groups), min_size=1, max_size=3))
    def add_members(self, id_: str, members: list[str]) -> None:
        status = 400 if id_ in members else 200
        self._patch(f"/Groups/{id_}", _adding(*members), status=status)
        if status == 200:
            team = self.model.teams[id_]
            self.model.teams[id_] = replace(team, members=team.members | frozenset(members))

    @rule(id_=groups, member=users, is_listed=st.booleans())
    def remove_member(self, id_: str, member: str, is_listed: bool) -> None:
        """In both dialects of Entra ID."""
        listed = {"op": "Remove", "path": "members", "value": [{"value": member}]}
        filtered = {"op": "remove", "path": f'members[value eq "{member}"]'}
        self._patch(f"/Groups/{id_}", listed if is_listed else filtered)
        team = self.model.teams[id_]
        self.model.teams[id_] = replace(team, members=team.members - {member})

    @rule(target=dead, id_=consumes(users))
    def delete_user(self, id_: str) -> str:
        self._send("DELETE", f"/Users/{id_}", None, 204)
        self.model.forget(id_)
        return id_

    @rule(target=dead, id_=consumes(groups))
    def delete_group(self, id_: str) -> str:
        self._send("DELETE", f"/Groups/{id_}", None, 204)
        self.model.forget(id_)
        return id_

    @rule(id_=dead, endpoint=st.sampled_from(["/Users", "/Groups"]), person=PEOPLE, name=TEAM_NAMES)
    def disturb_the_dead(self, id_: str, endpoint: str, person: Person, name: str) -> None:
        body = person.document() if endpoint == "/Users" else Team(name=name).document()
        assert self.client.get(f"{endpoint}/{id_}").status_code == 404
        self._send("PUT", f"{endpoint}/{id_}", body, 404)
        self._patch(f"{endpoint}/{id_}", factories.replace("displayName", name), status=404)
        self._send("DELETE", f"{endpoint}/{id_}", None, 404)

    @rule(id_=groups, member=dead)
    def let_the_dead_join(self, id_: str, member: str) -> None:
        team = Team(name="the dead", members=frozenset({member}))
        self._patch(f"/Groups/{id_}", _adding(member), status=400)
        self._send("PUT", f"/Groups/{id_}", team.document(), 400)
        self._send("POST", "/Groups", team.document(), 400)

    @rule(name=USER_NAMES)
    def find_user(self, name: str) -> None:
        quoted = name.upper().replace("\\", "\\\\").replace('"', '\\"')
        expected = {id_ for id_, person in self.model.people.items() if person.name.lower() == name.lower()}
        assert self._found("/Users", f'userName eq "{quoted}"') == expected

    @rule(id_=users)
    def find_memberships(self, id_: str) -> None:
        assert self._found("/Groups", f'members[value eq "{id_}"]') == self.model.teams_of(id_)
        assert self._found("/Groups", f'members.value eq "{id_}"') == self.model.teams_of(id_)

    @rule()
    def find_by_state(self) -> None:
        people = self.model.people.items()
        active = {id_ for id_, person in people if person.active}
        at_work = {id_ for id_, person in people if ("work", "a@example.com") in person.emails}
        untitled = {id_ for id_, person in people if person.title is None}
        assert self._found("/Users", "active eq true") == active
        assert self._found("/Users", "not (active eq true)") == {id_ for id_, _ in people} - active
        assert self._found("/Users", 'emails[type eq "work" and value eq "a@example.com"]') == at_work
        assert self._found("/Users", "not (title pr) and userName pr") == untitled

    @invariant()
    def everyone_is_as_the_model_says(self) -> None:
        shown = {user["id"]: user for user in self._list("/Users")}
        assert {id_: _person(user) for id_, user in shown.items()} == self.model.people
        for id_, user in shown.items():
            assert {each["value"] for each in user.get("groups", [])} == self.model.teams_of(id_)

    @invariant()
    def every_group_is_as_the_model_says(self) -> None:
        shown = {group["id"]: group for group in self._list("/Groups")}
        assert {id_: _team(group) for id_, group in shown.items()} == self.model.teams

    def _create_user(self, person: Person) -> str:
        id_ = str(self._send("POST", "/Users", person.document(), 201)["id"])
        self.model.people[id_] = person
        return id_

    def _create_group(self, team: Team) -> str:
        id_ = str(self._send("POST", "/Groups", team.document(), 201)["id"])
        self.model.teams[id_] = team
        return id_

    def _renamed(self, things: Any, id_: str, name: str) -> int:
        return 200 if self.model.namesake(things, name) in {None, id_} else 409

    def _patch(self, url: str, *operations: dict[str, Any], status: int = 200) -> None:
        self._send("PATCH", url, factories.patch(*operations), status)

    def _send(self, method: str, url: str, body: Document | None, status: int) -> Any:
        """Send a write; where it is answered with the resource, that is what a GET shows then."""
        response = self.client.request(method, url, json=body)
        self.seen[f"{method} {url.split('/')[1]} {response.status_code}"] += 1
        assert response.status_code == status, f"{method} {url} {body}: {response.text}"
        if status not in {200, 201}:
            return None
        read = self.client.get(f"{url}/{response.json()['id']}" if method == "POST" else url)
        assert read.json() == response.json()
        assert read.headers["ETag"] == response.headers["ETag"] == read.json()["meta"]["version"]
        return read.json()

    def _list(self, endpoint: str, **parameters: Any) -> list[Document]:
        body = self.client.get(endpoint, params={"count": 200, **parameters}).json()
        assert body["totalResults"] == len(body["Resources"])
        found: list[Document] = body["Resources"]
        return found

    def _found(self, endpoint: str, filter_: str) -> set[str]:
        return {each["id"] for each in self._list(endpoint, filter=filter_, attributes="id")}


def test_the_service_is_what_a_simple_model_says(stack: Settings, stack_engine: Engine) -> None:
    seen: Counter[str] = Counter()

    class Here(Life):
        def __init__(self) -> None:
            super().__init__(Client(stack.public_url, make_tenant(stack_engine)), seen)

    run_state_machine_as_test(Here, settings=SETTINGS)

    assert sorted(ANSWERS - seen.keys()) == [], "the random lives are too short"


def _adding(*members: str) -> dict[str, Any]:
    return {"op": "Add", "path": "members", "value": [{"value": member} for member in members]}


def _person(user: Document) -> Person:
    return Person(
        name=user["userName"],
        active=user["active"],
        title=user.get("title"),
        department=user.get(enterprise.URN, {}).get("department"),
        emails=tuple((email["type"], email["value"]) for email in user.get("emails", [])),
    )


def _team(group: Document) -> Team:
    return Team(name=group["displayName"], members=frozenset(each["value"] for each in group.get("members", [])))
