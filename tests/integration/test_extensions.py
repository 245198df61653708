"""Declarations as they are kept: which one counts, for whom, and what becomes of writes that are on their way."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from services.directory import database, extensions, ids, journal, queries
from services.directory.catalogues import Catalogues
from services.directory.drain import Drainer
from services.directory.extensions import ExtensionError
from services.directory.journal import Write
from shared.outcomes import Outcome, Reply
from shared.scim import extension_files, patch, resource_types
from shared.scim.extension_files import Extension
from shared.scim.resource_types import Catalogue
from tests import factories, shards
from tests.factories import Tenant, person

URN = "urn:example:simple"


def simple(*attributes: dict[str, Any], urn: str = URN) -> Extension:
    named = list(attributes) or [{"name": "colour"}]
    return extension_files.read({"resourceType": "User", "id": urn, "name": "Simple", "attributes": named})


def declare(engine: Engine, tenant: Tenant, extension: Extension) -> None:
    with database.transaction(engine) as connection:
        extensions.declare(connection, tenant.principal.tenant_id, extension)


def forget(engine: Engine, tenant: Tenant) -> bool:
    with database.transaction(engine) as connection:
        return extensions.forget(connection, tenant.principal.tenant_id, URN.upper())


def catalogue(engine: Engine, tenant: Tenant, catalogues: Catalogues) -> Catalogue:
    with database.transaction(engine) as connection:
        return catalogues.of_tenants(connection, {tenant.principal.tenant_id})[tenant.principal.tenant_id]


def drain(engine: Engine, *writes: Write) -> list[Outcome]:
    """Apply writes, and nothing else, and return their outcomes."""
    replies: list[Reply] = []
    rung: list[int] = []

    def announce(new: Sequence[Reply]) -> None:
        replies.extend(new)

    with database.transaction(engine) as connection:
        shards.empty(connection)
        journal.accept(connection, writes, shards=1)
    Drainer(engine=engine, announce=announce, max_starts=3, ring=rung.append).drain(0)
    return [reply.outcome for each in writes for reply in replies if reply.outcome.operation_id == each.id]


def test_a_catalogue_is_read_once_for_each_version(engine: Engine, tenant: Tenant) -> None:
    catalogues = Catalogues()
    before = catalogue(engine, tenant, catalogues)
    declare(engine, tenant, simple())
    first, again = catalogue(engine, tenant, catalogues), catalogue(engine, tenant, catalogues)
    forget(engine, tenant)
    after = catalogue(engine, tenant, catalogues)

    assert before is resource_types.BUILT_IN
    assert URN in first.schemas
    assert again is first
    assert URN not in after.schemas


def test_a_principal_who_was_looked_up_before_gets_no_older_catalogue(engine: Engine, tenant: Tenant) -> None:
    catalogues = Catalogues()
    declare(engine, tenant, simple())
    newest = catalogue(engine, tenant, catalogues)

    assert catalogues.of_principal(engine, tenant.principal) is resource_types.BUILT_IN
    stale = replace(tenant.principal, catalogue_version=1)
    declare(engine, tenant, simple({"name": "colour"}, {"name": "size"}))
    newer = catalogue(engine, tenant, catalogues)

    assert newer is not newest
    assert catalogues.of_principal(engine, stale) is newer


def test_a_write_is_applied_with_the_declaration_of_that_moment(engine: Engine, tenant: Tenant) -> None:
    declare(engine, tenant, simple())
    lane = ids.new()
    created = factories.write(tenant, request=person(**{URN: {"colour": "Red"}}), lane=lane)
    [made] = drain(engine, created)
    types = resource_types.extended([("User", simple().schema)])
    message = factories.patch(factories.replace(f"{URN}:colour", "Blue"))
    operations = patch.document(patch.parse(message, types.by_name["User"]))
    repaint = replace(created, id=ids.new(), method="PATCH", request=operations)
    forget(engine, tenant)

    [refused] = drain(engine, repaint)

    assert made.resource is not None
    assert made.resource[URN] == {"colour": "Red"}
    assert (refused.status, refused.scim_type) == (400, "invalidPath")


def test_what_is_not_declared_any_more_outlives_every_write(engine: Engine, tenant: Tenant) -> None:
    lane = ids.new()
    declare(engine, tenant, simple({"name": "colour"}, {"name": "size"}))
    drain(engine, factories.write(tenant, request=person(**{URN: {"colour": "Red", "size": "XL"}}), lane=lane))
    declare(engine, tenant, simple({"name": "size"}))
    drain(engine, factories.write(tenant, "PUT", request=person(**{URN: {"size": "S"}}), lane=lane))
    declare(engine, tenant, simple({"name": "colour"}, {"name": "size"}))

    types = catalogue(engine, tenant, Catalogues()).by_name["User"]
    with database.transaction(engine) as connection:
        found = queries.get(connection, types, tenant.principal.tenant_id, str(lane), queries.wants_all)

    assert found[URN] == {"colour": "Red", "size": "S"}


def test_what_was_ever_declared_binds_later_declarations(engine: Engine, tenant: Tenant) -> None:
    declare(engine, tenant, simple({"name": "size", "type": "integer"}))
    declare(engine, tenant, simple())
    forget(engine, tenant)

    with pytest.raises(ExtensionError, match="'type' was integer before"):
        declare(engine, tenant, simple({"name": "size"}))


def test_a_declaration_is_forgotten_once_and_by_its_tenant_only(engine: Engine, tenant: Tenant) -> None:
    stranger = Tenant(principal=replace(tenant.principal, tenant_id=ids.new()), secret="")
    declare(engine, tenant, simple())

    assert not forget(engine, stranger)
    assert forget(engine, tenant)
    assert not forget(engine, tenant)


def test_a_tenant_has_a_bounded_number_of_extensions(engine: Engine, tenant: Tenant) -> None:
    for number in range(extensions.MAX_EXTENSIONS):
        declare(engine, tenant, simple(urn=f"{URN}:{number}"))
    declare(engine, tenant, simple(urn=f"{URN}:0"))

    with pytest.raises(ExtensionError, match=f"at most {extensions.MAX_EXTENSIONS}"):
        declare(engine, tenant, simple(urn=f"{URN}:more"))


@pytest.mark.parametrize(("first", "second"), [(URN, f"{URN.upper()}:colour"), (f"{URN}:colour", URN)])
def test_a_urn_that_hides_attributes_of_another_extension_is_refused(
    engine: Engine, tenant: Tenant, first: str, second: str
) -> None:
    declare(engine, tenant, simple(urn=first))
    declare(engine, tenant, simple(urn=f"{URN}-2"))

    with pytest.raises(ExtensionError, match=f"must not begin with {first}, or be its beginning"):
        declare(engine, tenant, simple(urn=second))
