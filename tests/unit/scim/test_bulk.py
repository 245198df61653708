"""A bulk request is read into operations, or refused as a whole; a path leads to a resource or to an endpoint."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.scim import bulk, messages
from shared.scim.bulk import Method, Operation, Target
from shared.scim.errors import (
    InvalidSyntaxError,
    InvalidValueError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    SCIMError,
)
from shared.scim.resource_types import BUILT_IN, GROUPS, USERS
from tests.unit.scim.test_any_json import JSON

CREATE = {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "ada"}}
DELETE = {"method": "DELETE", "path": "/Users/1"}


def message(*operations: Any, **members: Any) -> dict[str, Any]:
    return {"schemas": [messages.BULK_REQUEST], "Operations": list(operations), **members}


def test_operations_are_numbered_from_one_and_keep_what_was_sent() -> None:
    change = {"method": "PUT", "path": "/Users/1", "version": 'W/"3"', "data": {"x": 1}}

    request = bulk.parse(message(CREATE, change, DELETE, failOnErrors=2), max_operations=3)

    assert request.fail_on_errors == 2
    assert request.operations == (
        Operation(number=1, method=Method.POST, path="/Users", bulk_id="a", data={"userName": "ada"}),
        Operation(number=2, method=Method.PUT, path="/Users/1", version='W/"3"', data={"x": 1}),
        Operation(number=3, method=Method.DELETE, path="/Users/1"),
    )


def test_names_of_members_and_methods_are_known_whatever_their_case() -> None:
    sent = {"Schemas": [messages.BULK_REQUEST.upper()], "operations": [{"METHOD": "delete", "Path": "/Users/1"}]}

    assert bulk.parse(sent, 1).operations == (Operation(number=1, method=Method.DELETE, path="/Users/1"),)


REFUSED: list[tuple[Any, type[SCIMError], str]] = [
    ([], InvalidSyntaxError, "The body"),
    ({"Operations": [CREATE]}, InvalidSyntaxError, "'schemas'"),
    ({"schemas": messages.BULK_REQUEST, "Operations": [CREATE]}, InvalidSyntaxError, "'schemas'"),
    ({"schemas": [messages.BULK_REQUEST]}, InvalidSyntaxError, "'Operations'"),
    (message(), InvalidSyntaxError, "'Operations'"),
    (message(CREATE, 7), InvalidSyntaxError, "Operation 2"),
    (message({**CREATE, "method": "GET"}), InvalidSyntaxError, "Operation 1: 'method'"),
    (message({**CREATE, "method": ["POST"]}), InvalidSyntaxError, "Operation 1: 'method'"),
    (message({**CREATE, "path": ""}), InvalidSyntaxError, "Operation 1: 'path'"),
    (message({**CREATE, "path": {}}), InvalidSyntaxError, "Operation 1: 'path'"),
    (message({**CREATE, "bulkId": None}), InvalidSyntaxError, "Operation 1: 'bulkId'"),
    (message({**CREATE, "bulkId": ""}), InvalidSyntaxError, "Operation 1: 'bulkId'"),
    (message({**DELETE, "version": 3}), InvalidSyntaxError, "Operation 1: 'version'"),
    (message(CREATE, DELETE, CREATE), InvalidValueError, "Operation 3: its 'bulkId'"),
    (message(CREATE, failOnErrors=0), InvalidValueError, "'failOnErrors'"),
    (message(CREATE, failOnErrors="1"), InvalidValueError, "'failOnErrors'"),
    (message(CREATE, failOnErrors=True), InvalidValueError, "'failOnErrors'"),
    (message(*[DELETE] * 4), PayloadTooLargeError, r"maxOperations \(3\)"),
]


@pytest.mark.parametrize(("sent", "kind", "named"), REFUSED)
def test_what_is_no_bulk_request_is_refused_naming_the_rule(sent: Any, kind: type[SCIMError], named: str) -> None:
    with pytest.raises(kind, match=named):
        bulk.parse(sent, max_operations=3)


def test_a_bulk_id_may_be_repeated_where_nothing_is_created() -> None:
    again = {**DELETE, "bulkId": "a"}

    assert len(bulk.parse(message(CREATE, again, again), 3).operations) == 3


PATHS: list[tuple[str, str, Target | type[SCIMError]]] = [
    ("POST", "/Users", Target(resource_type=USERS)),
    ("POST", "/Groups/", Target(resource_type=GROUPS)),
    ("POST", "Users", Target(resource_type=USERS)),
    ("PUT", "/Users/1", Target(resource_type=USERS, id="1")),
    ("PATCH", "/Groups/bulkId:a", Target(resource_type=GROUPS, id="bulkId:a")),
    ("DELETE", "/Users/bulkId:a/b/", Target(resource_type=USERS, id="bulkId:a/b")),
    ("POST", "/Users/1", MethodNotAllowedError),
    ("DELETE", "/Users", MethodNotAllowedError),
    ("PUT", "/users/1", NotFoundError),
    ("POST", "/Bulk", NotFoundError),
    ("POST", "/", NotFoundError),
    ("POST", "//Users", NotFoundError),
]


@pytest.mark.parametrize(("method", "path", "expected"), PATHS)
def test_a_path_leads_to_a_resource_or_an_endpoint(method: str, path: str, expected: Target | type[SCIMError]) -> None:
    operation = Operation(number=1, method=Method(method), path=path)

    if isinstance(expected, Target):
        assert bulk.target(operation, BUILT_IN) == expected
    else:
        with pytest.raises(expected):
            bulk.target(operation, BUILT_IN)


def test_a_result_leaves_out_what_is_not_known() -> None:
    operation = Operation(number=1, method=Method.POST, path="/Users", bulk_id="a")

    assert bulk.result(operation, 400, response={"x": 1}) == {
        "method": "POST",
        "bulkId": "a",
        "status": "400",
        "response": {"x": 1},
    }


@given(operations=st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(CREATE, JSON)) | JSON), limit=JSON)
def test_whatever_json_is_sent_the_answer_is_a_request_or_an_error(operations: Any, limit: Any) -> None:
    with suppress(SCIMError):
        request = bulk.parse(message(*operations, failOnErrors=limit), 3)
        assert [operation.number for operation in request.operations] == list(range(1, len(operations) + 1))
