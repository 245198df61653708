"""The claims of a security event: complete, without a `sub`, and the same however often they are made."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.scim import events, messages
from shared.scim.events import Completion

BASE = "https://hr.example.com/rest/scim/v2"
OPERATION = UUID("01a20a49-a7b3-7142-9afb-9c2853eadbfb")
USER = "01a20a4c-8cac-7161-8262-5fdf177381cc"
CREATED = Completion(
    operation_id=OPERATION,
    method="POST",
    uri=f"/Users/{USER}",
    resource_id=USER,
    external_id="E1",
    version='W/"1"',
    status=201,
    ended_at=datetime(2026, 11, 24, 12, 0, 0, 900_000, tzinfo=UTC),
)


def test_a_completion_tells_of_its_request_and_its_resource() -> None:
    claims = events.claims(CREATED, txn=str(OPERATION), issuer=BASE, audience="urn:uuid:x")

    assert UUID(claims.pop("jti")) != OPERATION
    assert claims == {
        "iat": 1795521600,
        "iss": BASE,
        "aud": ["urn:uuid:x"],
        "txn": str(OPERATION),
        "sub_id": {"format": "scim", "uri": f"/Users/{USER}", "externalId": "E1", "id": USER},
        "events": {
            events.ASYNC_RESPONSE: {
                "method": "POST",
                "status": "201",
                "version": 'W/"1"',
                "location": f"{BASE}/Users/{USER}",
            }
        },
    }


def test_a_failed_create_tells_of_no_resource() -> None:
    error = messages.error(409, "userName is in use", "uniqueness")
    failed = replace(CREATED, uri="/Users", resource_id=None, external_id=None, version=None, status=409, error=error)

    claims = events.claims(failed, txn="x", issuer=BASE, audience="urn:uuid:x")

    assert claims["sub_id"] == {"format": "scim", "uri": "/Users"}
    assert claims["events"] == {events.ASYNC_RESPONSE: {"method": "POST", "status": "409", "response": error}}


def test_the_same_completion_has_the_same_token_id_and_another_one_another() -> None:
    def made(completion: Completion) -> str:
        return str(events.claims(completion, txn="x", issuer=BASE, audience="y")["jti"])

    assert made(CREATED) == made(CREATED)
    assert made(CREATED) != made(replace(CREATED, operation_id=UUID(int=1)))


def test_an_operation_of_a_bulk_request_is_told_with_its_bulk_id() -> None:
    claims = events.claims(replace(CREATED, bulk_id="qwerty"), txn="x:0", issuer=BASE, audience="y")

    assert claims["events"][events.ASYNC_RESPONSE]["bulkId"] == "qwerty"


def test_the_operations_of_a_bulk_request_are_counted_from_zero() -> None:
    assert [events.bulk_txn("2d80", index) for index in (0, 1)] == ["2d80:0", "2d80:1"]


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("x", ("x", None)), ("x:0", ("x", 0)), ("x:10", ("x", 10)), ("x:01", ("x:01", None)), ("x:-1", ("x:-1", None))],
)
def test_the_txn_of_one_operation_of_a_bulk_request_is_told_from_the_request_itself(
    text: str, parsed: tuple[str, int | None]
) -> None:
    assert events.parse_txn(text) == parsed
    assert parsed[1] is None or events.bulk_txn(*parsed) == text  # type: ignore[arg-type]
