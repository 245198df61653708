"""What became of a write that nobody waited for, and the key that signs it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import Engine, delete

from services.directory import database, failures, ids, journal, results, signing, tables
from services.directory.apply import refusal
from services.directory.journal import Write
from services.directory.results import Result
from shared.outcomes import Outcome
from shared.scim.errors import InternalError, UnavailableError
from tests.factories import Tenant, patch, write
from tests.factories import replace as replacing

CANCELLED = UnavailableError("never applied")


def accept(engine: Engine, *writes: Write) -> None:
    with database.transaction(engine) as connection:
        journal.accept(connection, writes, 1)


def find(engine: Engine, sent: Write) -> Result | None:
    with database.transaction(engine) as connection:
        return results.find(connection, sent.id, tenant_id=sent.tenant_id, token_id=sent.token_id)


def test_a_write_is_pending_until_it_is_settled(engine: Engine, tenant: Tenant) -> None:
    sent = write(tenant)
    accept(engine, sent)
    before = find(engine, sent)
    resource = {"id": str(sent.lane), "externalId": "E1", "meta": {"version": 'W/"1"'}}
    with database.transaction(engine) as connection:
        journal.settle(connection, [Outcome(operation_id=sent.id, status=201, resource=resource)])

    after = find(engine, sent)

    assert before is not None
    assert before.is_pending
    assert after is not None
    completion = results.completion(after, CANCELLED)
    assert (completion.status, completion.uri) == (201, f"/Users/{sent.lane}")
    assert (completion.version, completion.external_id, completion.error) == ('W/"1"', "E1", None)


def test_only_the_token_that_sent_it_finds_it(engine: Engine, tenant: Tenant) -> None:
    sent = write(tenant)
    accept(engine, sent)

    assert find(engine, replace(sent, token_id=ids.new())) is None
    assert find(engine, replace(sent, tenant_id=ids.new())) is None
    assert find(engine, replace(sent, id=ids.new())) is None


def test_what_was_cancelled_ended_in_503(engine: Engine, tenant: Tenant) -> None:
    sent = write(tenant)
    accept(engine, sent)
    with database.transaction(engine) as connection:
        assert journal.prevent(connection, sent)

    found = find(engine, sent)

    assert found is not None
    completion = results.completion(found, CANCELLED)
    assert (completion.status, completion.uri, completion.error) == (503, "/Users", CANCELLED.body())


def test_what_never_arrived_ended_too(engine: Engine, tenant: Tenant) -> None:
    sent = write(tenant)
    with database.transaction(engine) as connection:
        assert journal.prevent(connection, sent)

    found = find(engine, sent)

    assert found is not None
    assert results.completion(found, CANCELLED).status == 503


def test_what_is_dead_ended_in_500_and_names_its_resource(engine: Engine, tenant: Tenant) -> None:
    lane = ids.new()
    accept(engine, write(tenant, lane=lane))
    sent = write(tenant, "PATCH", patch(replacing("title", "x")), lane=lane)
    accept(engine, sent)
    error = InternalError("given up")
    with database.transaction(engine) as connection:
        failures.bury(connection, refusal(sent.id, error))

    found = find(engine, sent)

    assert found is not None
    completion = results.completion(found, CANCELLED)
    assert (completion.status, completion.uri, completion.error) == (500, f"/Users/{lane}", error.body())


def test_one_key_is_made_however_many_ask_at_once_and_it_verifies(engine: Engine) -> None:
    def sign(number: int) -> str:
        with database.transaction(engine) as connection:
            return signing.sign(connection, {"number": number})

    with database.transaction(engine) as connection:
        connection.execute(delete(tables.shared_key))
        connection.execute(delete(tables.signing_key))
    with ThreadPoolExecutor(8) as pool:
        signed = list(pool.map(sign, range(16)))

    with database.transaction(engine) as connection:
        published = signing.public_keys(connection)
    assert len(published["keys"]) == 1
    assert "d" not in published["keys"][0]
    keys = KeySet.import_key_set(published)  # type: ignore[arg-type]
    numbers = [jwt.decode(token, keys, algorithms=["ES256"]).claims["number"] for token in signed]
    assert numbers == list(range(16))
