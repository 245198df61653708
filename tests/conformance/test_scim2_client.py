"""A whole life of users and groups, lived through scim2-client: a client library that knows nothing of this server."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import (
    Error,
    ListResponse,
    NotFoundException,
    PatchOp,
    SearchRequest,
    UniquenessException,
)

from shared.scim.schemas import enterprise, user
from tests.factories import Client, patch, replace


@pytest.fixture
def scim(client: Client) -> Iterator[Any]:
    """A client that knows what it has discovered, and no more."""
    authorization = {"Authorization": client.headers["Authorization"]}
    with httpx2.Client(base_url=str(client.base_url), headers=authorization, timeout=60) as http:
        scim = SyncSCIMClient(http)
        scim.discover()
        yield scim


def test_the_service_is_discovered(scim: Any) -> None:
    config = scim.provider.config

    assert config is not None
    assert config.patch is not None
    assert config.patch.supported is True
    assert sorted(t.endpoint for t in scim.provider.resource_types) == ["/Groups", "/Users"]


def test_a_user_lives(scim: Any) -> None:
    model: Any = scim.get_resource_model("User")

    created = scim.create(model(user_name="ada@example.com", display_name="Ada", emails=[{"value": "ada@example.com"}]))
    assert (created.user_name, created.active, created.emails[0].value) == ("ada@example.com", True, "ada@example.com")
    assert scim.query(model, created.id).model_dump() == created.model_dump()

    created.title = "Countess"
    created.emails = None
    replaced = scim.replace(created)
    assert (replaced.title, replaced.emails, replaced.display_name) == ("Countess", None, "Ada")

    modified = scim.modify(
        model,
        created.id,
        message(
            model,
            {"op": "replace", "path": "active", "value": False},
            {"op": "add", "path": 'emails[type eq "work"].value', "value": "ada@work.example.com"},
            {"op": "remove", "path": "title"},
            {"op": "add", "path": f"{enterprise.URN}:department", "value": "Engines"},
        ),
    )
    assert (modified.active, modified.title) == (False, None)
    assert [(email.type, email.value) for email in modified.emails] == [("work", "ada@work.example.com")]
    assert scim.query(model, created.id).model_dump() == modified.model_dump()

    assert scim.delete(model, created.id) is None
    with pytest.raises(NotFoundException):
        scim.query(model, created.id)


def test_a_group_lives(scim: Any) -> None:
    people: Any = scim.get_resource_model("User")
    model: Any = scim.get_resource_model("Group")
    ada, bob = (scim.create(people(user_name=f"{name}@example.com", display_name=name)) for name in ("ada", "bob"))

    group = scim.create(model(display_name="Night Patrol", members=[{"value": ada.id}]))
    assert [(member.value, member.display, member.type) for member in group.members] == [(ada.id, "ada", "User")]

    modified = scim.modify(
        model,
        group.id,
        message(
            model,
            {"op": "add", "path": "members", "value": [{"value": bob.id}]},
            {"op": "remove", "path": f'members[value eq "{ada.id}"]'},
            replace("displayName", "Day Patrol"),
        ),
    )
    assert (modified.display_name, [member.value for member in modified.members]) == ("Day Patrol", [bob.id])
    assert [each.value for each in scim.query(people, bob.id).groups] == [group.id]
    assert scim.query(people, ada.id).groups is None

    modified.members = None
    assert scim.replace(modified).members is None
    assert scim.delete(model, group.id) is None
    with pytest.raises(NotFoundException):
        scim.query(model, group.id)


def test_what_is_there_is_found(scim: Any) -> None:
    model: Any = scim.get_resource_model("User")
    for name in ("ada", "bob", "eve"):
        scim.create(model(user_name=f"{name}@example.com"))

    wanted = SearchRequest[Any].model_validate(
        {"filter": 'userName sw "B" or userName eq "EVE@example.com"', "count": 1, "startIndex": 2}
    )
    listed, searched = scim.query(model, query_parameters=wanted), scim.search(model, wanted)

    for found in (listed, searched):
        assert isinstance(found, ListResponse)
        assert (found.total_results, found.start_index, found.items_per_page) == (2, 2, 1)
        assert [each.user_name for each in found.resources or ()] == ["eve@example.com"]


def test_a_user_name_that_is_taken_is_told_as_such(scim: Any) -> None:
    model: Any = scim.get_resource_model("User")
    scim.create(model(user_name="ada@example.com"))

    with pytest.raises(UniquenessException):
        scim.create(model(user_name="ADA@example.com"))


def test_an_error_can_be_read_as_one(scim: Any) -> None:
    body = {"schemas": [user.URN], "userName": ""}

    error = scim.create(body, url="/Users", check_request_payload=False, raise_scim_errors=False)

    assert isinstance(error, Error)
    assert (error.status, error.scim_type) == (400, "invalidValue")


def message(model: Any, *operations: dict[str, Any]) -> Any:
    """Return a PATCH message as the library's own kind, which checks it."""
    return PatchOp[model].model_validate(patch(*operations))
