"""Why somebody was not provisioned: each of these failures is made for real, and its cause is named."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, update

from services.cli import main
from services.directory import database, ids, tables, tenants, tokens
from services.directory.tokens import Scope, Terms
from services.directory.why import Answer
from shared.scim.schemas import enterprise
from shared.settings import Settings
from tests import why
from tests.factories import Client, Tenant, bulk, bulk_post, employee, patch, person, replace
from tests.unit.scim import badge

Explained = Callable[[str, str], Answer]
Another = Callable[..., Client]


@pytest.fixture
def explained(client: Client, stack_engine: Engine) -> Explained:
    """Asks why until the reason is the one that is expected."""
    return lambda wanted, code: why.explained(stack_engine, client.tenant, wanted, code)


@pytest.fixture
def another(client: Client, stack: Settings, stack_engine: Engine) -> Iterator[Another]:
    """Makes another client of the tenant, with a token on other terms, which may be ended at once."""
    made: list[Client] = []

    def open_(terms: Terms | None = None, **ends: Any) -> Client:
        with database.transaction(stack_engine) as connection:
            secret = tokens.create(connection, client.tenant.principal.tenant_id, "another", None, terms)
            principal = tokens.authenticate(connection, secret)
            assert principal is not None
            if ends:
                table = tables.token
                connection.execute(update(table).where(table.c.id == principal.token_id).values(ends))
        made.append(Client(stack.public_url, Tenant(principal=principal, secret=secret)))
        return made[-1]

    yield open_
    for each in made:
        each.close()


def name() -> str:
    return str(person()["userName"])


def test_a_user_name_that_another_has(client: Client, explained: Explained) -> None:
    user = client.create_user()["userName"]

    refused = client.post("/Users", json=person(userName=user.upper(), externalId="another-one"))

    assert refused.status_code == 409
    answer = explained(user, "user-name-taken")
    assert answer.decisive is not None
    assert answer.decisive.status == 409
    assert [each.reason.code for each in answer.events] == ["user-name-taken", "provisioned"]
    assert explained("another-one", "user-name-taken").subjects == []


def test_a_group_that_is_renamed_to_a_taken_name(client: Client, explained: Explained) -> None:
    taken, group = client.create_group()["displayName"], client.create_group()

    refused = client.patch(f"/Groups/{group['id']}", json=patch(replace("displayName", taken)))

    assert refused.status_code == 409
    assert explained(group["displayName"], "group-name-taken").subjects[0].name == group["displayName"]
    assert explained(group["id"], "group-name-taken").decisive is not None


def test_a_value_of_the_wrong_type(client: Client, explained: Explained) -> None:
    user = name()

    refused = client.post("/Users", json=person(userName=user, active="perhaps"))

    assert refused.status_code == 400
    answer = explained(user, "wrong-type")
    assert answer.subjects == []
    assert "active perhaps" in answer.events[0].said


def test_a_required_value_that_is_missing(client: Client, explained: Explained) -> None:
    body = person(externalId="nameless")
    del body["userName"]

    refused = client.post("/Users", json=body)

    assert refused.status_code == 400
    assert "userName" in str(explained("nameless", "value-missing").events[0].detail)


def test_a_manager_whom_nobody_knows(client: Client, explained: Explained) -> None:
    user = client.create_user(**employee(**{enterprise.URN: {"manager": {"value": str(ids.new())}}}))

    assert explained(user["userName"], "manager-unknown").events[0].status == 201


def test_a_manager_that_is_no_id(client: Client, explained: Explained) -> None:
    user = client.create_user()

    refused = client.patch(f"/Users/{user['id']}", json=patch(replace(f"{enterprise.URN}:manager", {"value": 7})))

    assert refused.status_code == 400
    assert explained(user["userName"], "manager-malformed").subjects[0].id == ids.parse(user["id"])


def test_a_member_whom_nobody_knows(client: Client, explained: Explained) -> None:
    group, member = client.create_group(), str(ids.new())

    refused = client.patch(
        f"/Groups/{group['id']}", json=patch({"op": "Add", "path": "members", "value": [{"value": member}]})
    )

    assert refused.status_code == 400
    assert explained(group["displayName"], "member-unknown").decisive is not None
    assert explained(member, "member-unknown").subjects == []


def test_an_attribute_that_cannot_be_changed(client: Client, explained: Explained) -> None:
    user = client.create_user()

    refused = client.patch(f"/Users/{user['id']}", json=patch(replace("id", str(ids.new()))))

    assert refused.status_code == 400
    assert explained(user["id"], "read-only").events[0].detail is not None


def test_a_filter_that_makes_no_sense(client: Client, explained: Explained) -> None:
    user = name()

    refused = client.get("/Users", params={"filter": f'userName eq "{user}'})

    assert refused.status_code == 400
    assert explained(user, "filter").events[0].said == [f"filter: userName eq {user}"]


def test_a_body_that_is_too_large(client: Client, explained: Explained) -> None:
    user, nobody = client.create_user(), name()
    large = person(title="x" * 1_100_000)

    refused = [client.put(f"/Users/{user['id']}", json=large), client.post("/Users", json=large | {"userName": nobody})]

    assert [each.status_code for each in refused] == [413, 413]
    assert explained(user["userName"], "too-large").decisive is not None
    answer = explained(nobody, "never-came")
    assert "too-large" in {each.reason.code for each in answer.perhaps}


def test_a_path_that_selects_nothing(client: Client, explained: Explained) -> None:
    user = client.create_user()

    refused = client.patch(
        f"/Users/{user['id']}", json=patch(replace('emails[type eq "work" or type eq "home"].value', "x@example.com"))
    )

    assert (refused.status_code, refused.json()["scimType"]) == (400, "noTarget")
    assert explained(user["userName"], "no-target").decisive is not None


def test_a_path_that_is_unknown(client: Client, explained: Explained) -> None:
    user = client.create_user()

    refused = client.patch(f"/Users/{user['id']}", json=patch(replace("shoeSize", "forty-three")))

    assert refused.status_code == 400
    answer = explained(user["userName"], "path-unknown")
    assert "forty-three" not in str(answer)


def test_a_wrong_value_in_a_declared_extension(
    client: Client, explained: Explained, stack: Settings, stack_engine: Engine
) -> None:
    environ = {"MUSTER_DATABASE_URL": stack.database_url, "MUSTER_BROKER_URL": stack.broker_url}
    added = CliRunner().invoke(main, ["extension", "add", client.tenant.principal.tenant, str(badge.FILE)], env=environ)
    assert added.exit_code == 0, added.output
    user = name()

    def send() -> int:
        body = person(userName=user, **{badge.URN: {"number": "seven", "pin": "hunter2"}})
        return client.post("/Users", json=body).status_code

    # The gateway knows the catalogue as it was a moment ago, and may take the first one; the next ones are 409 then.
    refused = next(status for status in (send() for _ in range(1_000)) if status == 400)

    assert refused == 400
    answer = explained(user, "wrong-type")
    assert any("number" in line for line in answer.events[0].said)
    assert "hunter2" not in str(answer)


def test_a_version_that_has_changed(client: Client, explained: Explained) -> None:
    user = client.create_user()

    refused = client.patch(f"/Users/{user['id']}", json=patch(replace("title", "x")), headers={"If-Match": 'W/"99"'})

    assert refused.status_code == 412
    assert explained(user["userName"], "version-changed").decisive is not None


def test_somebody_who_was_deactivated(client: Client, explained: Explained) -> None:
    user = client.create_user()
    client.patch(f"/Users/{user['id']}", json=patch(replace("active", value=False)))

    answer = explained(user["userName"], "deactivated")

    assert answer.decisive is not None
    assert answer.decisive.method == "PATCH"
    assert "active: True -> False" in answer.decisive.changed


def test_somebody_who_was_deleted(client: Client, explained: Explained) -> None:
    user = client.create_user(externalId="gone-1")
    client.delete(f"/Users/{user['id']}")

    assert explained(user["userName"], "deleted").decisive is not None
    assert explained("gone-1", "deleted").subjects[0].deleted_at is not None


def test_somebody_who_was_never_assigned(client: Client, explained: Explained) -> None:
    client.create_user()

    answer = explained("nobody@example.com", "never-came")

    assert answer.rhythm.last is not None
    assert f"last cycle at {answer.rhythm.last.began:%Y-%m-%d %H:%M}" in answer.sentence
    assert answer.events == []


def test_a_tenant_of_whom_nothing_came(explained: Explained) -> None:
    assert explained("nobody@example.com", "nothing-came").rhythm.cycles == []


def test_a_token_that_was_revoked(client: Client, explained: Explained, another: Another) -> None:
    user, revoked = client.create_user(), another(revoked_at=datetime.now(UTC))

    refused = revoked.post("/Users", json=person())
    also = revoked.patch(f"/Users/{user['id']}", json=patch(replace("title", "x")))

    assert (refused.status_code, also.status_code) == (401, 401)
    assert explained("whoever@example.com", "token-revoked").decisive is not None
    assert explained(user["userName"], "token-revoked").decisive is not None


def test_a_token_that_has_expired(client: Client, explained: Explained, another: Another) -> None:
    expired = another(expires_at=datetime.now(UTC))

    refused = expired.get("/Users", params={"filter": 'userName eq "late@example.com"'})

    assert refused.status_code == 401
    assert explained("late@example.com", "token-expired").subjects == []


def test_a_token_without_the_scope(client: Client, explained: Explained, another: Another) -> None:
    reader = another(Terms(scopes={Scope.READ, Scope.USERS}))

    refused = reader.post("/Users", json=person())

    assert refused.status_code == 403
    assert explained("whoever@example.com", "token-scope").decisive is not None


def test_a_token_from_a_foreign_network(client: Client, explained: Explained, another: Another) -> None:
    elsewhere = another(Terms(networks=["203.0.113.0/24"]))

    refused = elsewhere.post("/Users", json=person())

    assert refused.status_code == 403
    assert explained("whoever@example.com", "token-network").decisive is not None


def test_a_token_at_the_portal_of_another_tenant(
    client: Client, explained: Explained, another: Another, stack_engine: Engine
) -> None:
    domain = f"{ids.new()}.example.com"
    with database.transaction(stack_engine) as connection:
        tenants.create(connection, f"p{ids.new().hex[:20]}", domain)

    refused = another().get("/Users", headers={"Host": domain})

    assert refused.status_code == 401
    assert explained("whoever@example.com", "token-portal").decisive is not None


def test_a_resource_that_is_not_there(client: Client, explained: Explained) -> None:
    nobody = str(ids.new())

    refused = client.patch(f"/Users/{nobody}", json=patch(replace("title", "x")))

    assert refused.status_code == 404
    assert explained(nobody, "not-here").subjects == []


def test_an_operation_of_a_bulk_request(client: Client, explained: Explained) -> None:
    user = name()

    answered = client.post("/Bulk", json=bulk(bulk_post("a", "/Users", person(userName=user, active="perhaps"))))

    assert answered.json()["Operations"][0]["status"] == "400"
    assert explained(user, "wrong-type").events[0].method == "POST"


def test_a_request_by_its_id(client: Client, explained: Explained) -> None:
    user = client.create_user()
    client.patch(
        f"/Users/{user['id']}",
        json=patch(replace("shoeSize", "forty-three")),
        headers={"X-Request-ID": "the-refused-one"},
    )
    client.patch(f"/Users/{user['id']}", json=patch(replace("title", "x")), headers={"X-Request-ID": "the-good-one"})

    assert explained("the-refused-one", "path-unknown").decisive is not None
    answer = explained("the-good-one", "provisioned")
    assert answer.subjects[0].id == ids.parse(user["id"])
    assert explained(user["userName"], "provisioned").events[0].changed == ["title: x"]


def test_somebody_is_found_by_whatever_is_known(client: Client, explained: Explained) -> None:
    user = client.create_user(
        externalId="E-77",
        displayName="Grace Hopper",
        name={"givenName": "Amazing", "familyName": "Grace"},
        emails=[{"value": "Grace@Navy.example", "type": "work"}],
    )
    old = user["userName"]
    client.patch(f"/Users/{user['id']}", json=patch(replace("userName", f"new-{old}")))

    for wanted in (
        user["id"],
        "E-77",
        "grace hopper",
        "amazing grace",
        "GRACE@navy.example",
        old,
        f"NEW-{old}",
        "Grace H",
    ):
        assert explained(wanted, "provisioned").subjects[0].id == ids.parse(user["id"]), wanted


def test_a_group_and_its_member_are_told_of_the_same_change(client: Client, explained: Explained) -> None:
    user, group = client.create_user(displayName="Mary"), client.create_group()
    client.patch(
        f"/Groups/{group['id']}", json=patch({"op": "add", "path": "members", "value": [{"value": user["id"]}]})
    )

    assert explained(user["userName"], "provisioned").events[0].changed == [f"groups: + {group['displayName']}"]
    assert explained(group["displayName"], "provisioned").events[0].changed == ["members: + Mary"]


def test_nothing_is_told_of_another_tenant(client: Client, stranger: Client, stack_engine: Engine) -> None:
    user = client.create_user(externalId="theirs", emails=[{"value": "theirs@example.com"}])
    client.post("/Users", json=person(userName=user["userName"]))
    client.post("/Users", json=person(externalId="also-theirs", active="perhaps"))
    why.explained(stack_engine, client.tenant, user["userName"], "user-name-taken")
    request = why.explained(stack_engine, client.tenant, "also-theirs", "wrong-type").events[0].request_id

    for wanted in (user["userName"], user["id"], "also-theirs", "theirs@example.com", request):
        answer = why.ask(stack_engine, stranger.tenant, wanted)
        assert (answer.subjects, answer.events, answer.perhaps) == ([], [], []), wanted


def test_a_password_is_never_told(client: Client, explained: Explained, stack_engine: Engine) -> None:
    user = name()
    client.post("/Users", json=person(userName=user, password="hunter2", active="perhaps"))
    client.post("/Users", json=person(userName=user, passwrd="hunter2", active="perhaps"))

    answer = explained(user, "wrong-type")

    assert "password a secret" in [line for each in answer.events for line in each.said]
    assert "hunter2" not in str(answer)
    with database.transaction(stack_engine) as connection:
        kept = connection.exec_driver_sql("SELECT string_agg(r::text, ' ') FROM refused r").scalar_one()
    assert "hunter2" not in kept


def test_the_command_tells_the_same(client: Client, explained: Explained, stack: Settings) -> None:
    user = name()
    client.post("/Users", json=person(userName=user, active="perhaps"))
    explained(user, "wrong-type")
    environ = {"MUSTER_DATABASE_URL": stack.database_url, "MUSTER_BROKER_URL": stack.broker_url}
    arguments = ["why", user, "--tenant", client.tenant.principal.tenant]

    shown = CliRunner().invoke(main, arguments, env=environ)
    document = orjson.loads(CliRunner().invoke(main, [*arguments, "--json"], env=environ).stdout)

    assert shown.exit_code == 0, shown.output
    assert "Reason: wrong-type" in shown.stdout
    assert "In Entra:" in shown.stdout
    assert document["reason"]["code"] == document["events"][0]["reason"] == "wrong-type"
    assert document["events"][0]["status"] == 400
