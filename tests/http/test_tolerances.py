"""What a tenant's clients send that the RFC does not know is counted for that tenant."""

from sqlalchemy import Engine

from services.directory import database, tolerance_uses
from services.stack import children
from tests.factories import Client, patch, person

MOST_SECONDS = 30


def uses(engine: Engine, client: Client) -> dict[str, int]:
    with database.transaction(engine) as connection:
        return {use.name: use.uses for use in tolerance_uses.of(connection, client.tenant.principal.tenant_id)}


def test_uses_are_counted_wherever_the_tolerance_applies(
    client: Client, stranger: Client, stack_engine: Engine
) -> None:
    user = client.create_user(active="True", shoeSize=7)["id"]
    client.put(f"/Users/{user}", json=person(active="False"))
    client.patch(f"/Users/{user}", json=patch({"op": "Replace", "path": "active", "value": "False"}))
    client.patch(f"/Users/{user}", json=patch({"op": "replace", "path": 'emails[type eq "work"].value', "value": "a"}))
    stranger.create_user()

    # In a PATCH by its parser; an element that is made is seen where the operation is applied.
    wanted = {"string-boolean": 3, "unknown-attribute": 1, "operation-case": 1, "create-on-absent": 1}
    assert children.until(lambda: uses(stack_engine, client) == wanted, MOST_SECONDS), uses(stack_engine, client)
    assert uses(stack_engine, stranger) == {}


def test_what_is_refused_counts_for_nothing(client: Client, stack_engine: Engine) -> None:
    user = client.create_user()["id"]

    refused = client.patch(f"/Users/{user}", json=patch({"op": "Replace", "path": "shoeSize", "value": "x"}))
    client.patch(f"/Users/{user}", json=patch({"op": "replace", "path": "active", "value": "True"}))

    assert refused.status_code == 400
    assert children.until(lambda: uses(stack_engine, client) == {"string-boolean": 1}, MOST_SECONDS)
