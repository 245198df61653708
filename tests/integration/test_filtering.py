"""The SQL evaluator, on the same table of cases as the one in memory."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from services.directory import database, ids, listing, store
from services.directory.listing import Listing, Source
from shared.scim import filters
from shared.scim.resource_types import USERS
from tests.factories import Tenant
from tests.unit.scim import filter_cases

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(("text", "resource", "expected"), filter_cases.CASES)
def test_sql_finds_what_memory_matches(
    engine: Engine, tenant: Tenant, text: str, resource: dict[str, Any], *, expected: bool
) -> None:
    tenant_id = tenant.principal.tenant_id
    wanted = Listing(tenant_id=tenant_id, sources=(Source(resource_type=USERS, filter=filters.parse(text, USERS)),))

    with database.transaction(engine) as connection:
        store.create(connection, USERS, tenant_id, ids.new(), resource, NOW)
        found = listing.count(connection, wanted)

    assert (found == 1) is expected
