"""How Okta provisions people: match or create, PUT what changed, disable; people are never deleted."""

from dataclasses import dataclass, replace

from services.simulator import matching, okta_bodies
from services.simulator.client import CONFLICT
from services.simulator.mapping import Body
from services.simulator.matching import Joined, MatchError, Wanted
from services.simulator.okta_bodies import Mode
from services.simulator.people import Company, Person, Presence
from services.simulator.session import Session

FIRST_PAGE = {"startIndex": "1", "count": "100"}


@dataclass(frozen=True, kw_only=True)
class Users:
    """The steps for people, in one session and mode."""

    session: Session
    mode: Mode

    def provision(self, company: Company) -> None:
        """Bring every person whose attributes or presence changed up to date."""
        known = self.session.memory.people
        waiting = [person for key, person in company.people.items() if person != known.get(key)]
        self.session.each("users", waiting, self._person)

    def _person(self, person: Person) -> None:
        """What was not got through is not remembered, so the next cycle tries it again."""
        known = self.session.memory.people.get(person.external_id)
        if self._assign(person) if known is None else self._update(known, person):
            self.session.memory.people[person.external_id] = person

    def _assign(self, person: Person) -> bool:
        """Create a person, or send the profile of one who was found or imported; whoever is new begins active."""
        user_id = self.session.memory.user_ids.get(person.external_id)
        joined = Joined(id=user_id, found={}) if user_id else self._match_or_create(person)
        if joined is None:
            return False
        self.session.memory.user_ids[person.external_id] = joined.id
        if joined.found is not None:
            return self._put("update user", joined.id, person)
        return person.is_active or self._disable(joined.id, person)

    def _match_or_create(self, person: Person) -> Joined | None:
        wanted = Wanted(
            noun="user",
            path="/Users",
            name_condition=_condition(person),
            external_id=person.external_id,
            body=okta_bodies.created_user(person),
            query=FIRST_PAGE,
        )
        return matching.match_or_create(self.session, wanted)

    def _update(self, known: Person, person: Person) -> bool:
        user_id = self.session.memory.user_ids[person.external_id]
        match known.is_active, person.is_active:
            case False, True:
                back = replace(known, presence=Presence.ACTIVE)
                return self._rehire(user_id, back) and (back == person or self._put("update user", user_id, person))
            case True, False:
                return self._is_profile_sent(known, person) and self._disable(user_id, person)
            case _:
                return self._put("update user", user_id, person)

    def _is_profile_sent(self, known: Person, person: Person) -> bool:
        """A template says only in its PATCH that a person is not active; what else changed goes before it."""
        profile = replace(person, presence=Presence.ACTIVE)
        if self.mode is Mode.WIZARD or profile == known:
            return True
        return self._put("update user", self.session.memory.user_ids[person.external_id], profile)

    def _disable(self, user_id: str, person: Person) -> bool:
        match self.mode:
            case Mode.WIZARD:
                return self._put("disable user", user_id, person)
            case Mode.TEMPLATE:
                body = okta_bodies.activation(is_active=False)
                return self._send("disable user", "PATCH", user_id, person, body)

    def _rehire(self, user_id: str, person: Person) -> bool:
        """Assign a person again, as they left: one kind of application creates, the other matches first."""
        match self.mode:
            case Mode.WIZARD:
                return self._create_again(user_id, person)
            case Mode.TEMPLATE:
                return self._match_and_put(person)

    def _create_again(self, user_id: str, person: Person) -> bool:
        """A server may take up the account that there was, or refuse, so that it is matched; another id is wrong."""
        body = okta_bodies.created_user(person)
        answer = self.session.client.expect(
            "create user again", "POST", "/Users", subject=person.user_name, body=body, tolerated=CONFLICT
        )
        if answer.status in CONFLICT:
            return self._match_and_put(person)
        if answer.is_success and answer.resource().get("id") != user_id:
            self.session.client.fail("create user again", person.user_name, answer)
            return False
        return answer.is_success

    def _match_and_put(self, person: Person) -> bool:
        try:
            found = matching.find(self.session, "user", "/Users", _condition(person), FIRST_PAGE)
        except MatchError:
            return False
        return found is not None and self._put("restore user", str(found["id"]), person)

    def _put(self, kind: str, user_id: str, person: Person) -> bool:
        body = self._body(user_id, person)
        return body is not None and self._send(kind, "PUT", user_id, person, body)

    def _body(self, user_id: str, person: Person) -> Body | None:
        """A template reads the person before it writes; None means that this failed, which is recorded."""
        match self.mode:
            case Mode.WIZARD:
                return okta_bodies.replaced_user(person, user_id)
            case Mode.TEMPLATE:
                path = f"/Users/{user_id}"
                answer = self.session.client.expect("get user", "GET", path, subject=person.user_name)
                return okta_bodies.changed_user(person, answer.resource()) if answer.is_success else None

    def _send(self, kind: str, method: str, user_id: str, person: Person, body: Body) -> bool:
        path = f"/Users/{user_id}"
        return self.session.client.expect(kind, method, path, subject=person.user_name, body=body).is_success


def _condition(person: Person) -> str:
    return f'userName eq "{person.user_name}"'
