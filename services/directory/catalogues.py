"""Know the catalogue of each tenant: the built-in resource types, with the extensions that the tenant declared.

A catalogue is read once for each version and process. The version stands in the tenant's row: whoever has read it in
its transaction, or with the token a moment ago, knows whether the catalogue in memory is the one to use.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cachetools import LRUCache
from sqlalchemy import ARRAY, Connection, Engine, Uuid, any_, literal, select

from services.directory import database, tables
from services.directory.tokens import Principal
from shared.scim import extension_files, resource_types
from shared.scim.resource_types import Catalogue

LARGEST_CACHE = 1_000


@dataclass(frozen=True, kw_only=True)
class _Known:
    """A catalogue, and the version of it that was read."""

    version: int
    catalogue: Catalogue


@dataclass(frozen=True)
class Catalogues:
    """The catalogues that this process has read."""

    _known: LRUCache[UUID, _Known] = field(default_factory=lambda: LRUCache(LARGEST_CACHE))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of_principal(self, engine: Engine, principal: Principal) -> Catalogue:
        """Return the catalogue of who sends a request; the database is only asked for a version not read yet."""
        found = self._find(principal.tenant_id, principal.catalogue_version)
        if found is not None:
            return found
        with database.transaction(engine, principal.tenant_id) as connection:
            return self._read(connection, principal.tenant_id)

    def of_tenants(self, connection: Connection, tenant_ids: Collection[UUID]) -> Mapping[UUID, Catalogue]:
        """Return the catalogues of tenants, as they are in this transaction."""
        table = tables.tenant
        statement = select(table.c.id, table.c.catalogue_version)
        rows = connection.execute(statement.where(table.c.id == any_(literal(list(tenant_ids), ARRAY(Uuid)))))
        return self.of_versions(connection, {row.id: row.catalogue_version for row in rows})

    def of_versions(self, connection: Connection, versions: Mapping[UUID, int]) -> Mapping[UUID, Catalogue]:
        """Return the catalogues of tenants, whose versions were read in this transaction."""
        return {
            tenant_id: self._find(tenant_id, version) or self._read(connection, tenant_id)
            for tenant_id, version in versions.items()
        }

    def _find(self, tenant_id: UUID, version: int) -> Catalogue | None:
        """Return a catalogue of this version or a later one; who never declared anything has the built-in one."""
        if version == 0:
            return resource_types.BUILT_IN
        with self._lock:
            known = self._known.get(tenant_id)
        return known.catalogue if known is not None and known.version >= version else None

    def _read(self, connection: Connection, tenant_id: UUID) -> Catalogue:
        """Read version and declarations in one statement, so that they belong together."""
        tenant, extension = tables.tenant, tables.extension
        in_force = (extension.c.tenant_id == tenant.c.id) & extension.c.ended_at.is_(None)
        statement = (
            select(tenant.c.catalogue_version, extension.c.document)
            .outerjoin_from(tenant, extension, in_force)
            .where(tenant.c.id == tenant_id)
            .order_by(extension.c.id)
        )
        rows = connection.execute(statement).all()
        declared = [extension_files.read(row.document) for row in rows if row.document is not None]
        catalogue = resource_types.extended([(one.resource_type, one.schema) for one in declared])
        with self._lock:
            self._known[tenant_id] = _Known(version=rows[0].catalogue_version, catalogue=catalogue)
        return catalogue
