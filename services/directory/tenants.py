"""Keep tenants: one customer each, with the domain of its own portal."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, false, insert, or_, select, update

from services.directory import ids, tables, tenancy

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?")


class TenantError(ValueError):
    """A tenant cannot be made, or does not exist; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """One customer; `domain` is where its portal is reached, and the host of every meta.location."""

    id: UUID
    slug: str
    domain: str | None
    created_at: datetime
    catalogue_version: int


def create(connection: Connection, slug: str, domain: str | None) -> Tenant:
    """Create a tenant. Raises TenantError for a malformed or taken name or domain."""
    if not _SLUG.fullmatch(slug):
        raise TenantError(f"{slug!r} cannot be a tenant's name: use a-z, 0-9 and hyphens, 63 characters at most")
    if domain is not None and not _DOMAIN.fullmatch(domain):
        raise TenantError(
            f"{domain!r} is not a domain: give a host name such as hr.example.com, without https:// and path"
        )
    same_domain = tables.tenant.c.domain == domain if domain is not None else false()
    taken = or_(tables.tenant.c.slug == slug, same_domain)
    if connection.scalar(select(tables.tenant.c.id).where(taken)) is not None:
        raise TenantError(f"There is a tenant {slug!r} already, or one with this domain (see: muster tenant list)")
    statement = insert(tables.tenant).values(id=ids.new(), slug=slug, domain=domain).returning(tables.tenant)
    return Tenant(**connection.execute(statement).mappings().one())


def find(connection: Connection, slug: str) -> Tenant:
    """Return a tenant by its name. Raises TenantError when there is none."""
    row = connection.execute(select(tables.tenant).where(tables.tenant.c.slug == slug)).mappings().one_or_none()
    if row is None:
        raise TenantError(f"There is no tenant {slug!r} (make one: muster tenant create {slug})")
    return Tenant(**row)


def serve(connection: Connection, slug: str) -> Tenant:
    """Return a tenant by its name, and serve it from now on. Raises TenantError when there is none."""
    found = find(connection, slug)
    tenancy.serve(connection, found.id)
    return found


def slug_of(connection: Connection, tenant_id: UUID) -> str:
    """Return a tenant's name."""
    found: str = connection.scalars(select(tables.tenant.c.slug).where(tables.tenant.c.id == tenant_id)).one()
    return found


def of_domain(connection: Connection, domain: str) -> UUID | None:
    """Return the tenant whose portal has this domain, or None."""
    found: UUID | None = connection.scalar(select(tables.tenant.c.id).where(tables.tenant.c.domain == domain))
    return found


def renew_catalogue(connection: Connection, tenant_id: UUID) -> None:
    """Give what a tenant declared its next version; the row's lock lets one declaration in at a time, of any kind."""
    table = tables.tenant
    renewed = update(table).where(table.c.id == tenant_id)
    connection.execute(renewed.values(catalogue_version=table.c.catalogue_version + 1))


def every(connection: Connection) -> Sequence[Tenant]:
    """Return all tenants by name."""
    return [
        Tenant(**row) for row in connection.execute(select(tables.tenant).order_by(tables.tenant.c.slug)).mappings()
    ]
