"""How an identity provider joins its object with one in the directory: it asks by name, and creates what is absent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.simulator.mapping import Body
from services.simulator.session import Session

CREATE_ATTEMPTS = 3


class MatchError(Exception):
    """The directory could not say whether it has an object; the request is recorded as a failure."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An object to join: where it belongs, by which conditions it is told, in this order, and how it is created."""

    noun: str
    path: str
    name_condition: str
    external_id: str
    body: Body
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Joined:
    """The id in the directory, and the resource as it was found there, or None if it was created now."""

    id: str
    found: Mapping[str, Any] | None


def match_or_create(session: Session, wanted: Wanted) -> Joined | None:
    """Find the object or create it; None means that neither worked, which is recorded.

    A POST whose answer was lost may have been applied, so the next attempt begins with matching again.
    """
    for _ in range(CREATE_ATTEMPTS):
        try:
            found = _match(session, wanted)
        except MatchError:
            return None
        if found:
            return Joined(id=str(found["id"]), found=found)
        answer = session.client.send(f"create {wanted.noun}", "POST", wanted.path, body=wanted.body)
        if not answer.is_lost:
            break
    user_id = answer.resource().get("id") if answer.is_success else None
    if user_id:
        return Joined(id=str(user_id), found=None)
    session.client.fail(f"create {wanted.noun}", wanted.name_condition, answer)
    return None


def find(
    session: Session, noun: str, path: str, condition: str, query: Mapping[str, str] | None = None
) -> Mapping[str, Any] | None:
    """Return the first resource of which the condition is true.

    Raises MatchError if the directory does not answer with a list.
    """
    asked = {**(query or {}), "filter": condition}
    answer = session.client.expect(f"match {noun}", "GET", path, subject=condition, query=asked)
    if not answer.is_success:
        raise MatchError(condition)
    return next(iter(answer.resources()), None)


def external_id_condition(external_id: str) -> str:
    """Return the condition of the second matching attribute."""
    return f'externalId eq "{external_id}"'


def _match(session: Session, wanted: Wanted) -> Mapping[str, Any] | None:
    """Ask for the externalId only where the company has been before: its names may have changed since."""
    found = find(session, wanted.noun, wanted.path, wanted.name_condition, wanted.query)
    if not found and session.is_known:
        condition = external_id_condition(wanted.external_id)
        found = find(session, wanted.noun, wanted.path, condition, wanted.query)
    return found
