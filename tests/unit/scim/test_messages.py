"""Errors and lists have the shape of RFC 7644, and every scimType its error."""

import pytest

from shared.scim import messages
from shared.scim.errors import NotFoundError, SCIMError, UniquenessError


def test_an_error_is_a_message_with_its_status_as_a_string() -> None:
    assert UniquenessError("userName is in use").body() == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "409",
        "scimType": "uniqueness",
        "detail": "userName is in use",
    }


def test_an_error_of_plain_http_has_no_scim_type() -> None:
    assert NotFoundError("There is no such user").body() == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": "404",
        "detail": "There is no such user",
    }


@pytest.mark.parametrize("error", SCIMError.__subclasses__(), ids=lambda error: error.__name__)
def test_an_error_with_a_scim_type_is_the_clients(error: type[SCIMError]) -> None:
    assert error.scim_type is None or 400 <= error.status < 500


def test_a_page_counts_what_is_in_it() -> None:
    page = messages.list_response([{"id": "1"}], total=7, start_index=3)

    assert page == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 7,
        "startIndex": 3,
        "itemsPerPage": 1,
        "Resources": [{"id": "1"}],
    }
