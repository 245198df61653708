"""Say where a stack that has just started is reached, with a link that signs in to the staff portal once."""

from sqlalchemy import Connection

from services.directory import admins, audit, database, tenancy, tenants, terminal
from services.directory.audit_chain import Action
from services.directory.tenants import Tenant
from services.stack.supervisor import Stack

FIRST_TENANT = "local"


def text(stack: Stack) -> str:
    """Return what `muster up` says when everything is ready."""
    lines = {
        "Tenant URL": f"{stack.settings.public_url}/rest/scim/v2/",
        "Staff portal": _portal(stack),
        "Flower": f"http://{stack.settings.flower_bind}/",
        "Data folder": str(stack.data),
    }
    return "\nready\n" + "".join(f"  {name:<12} {value}\n" for name, value in lines.items())


def _portal(stack: Stack) -> str:
    """Return a link into the portal, of the oldest tenant; where there is none, one is made.

    That is for a database of this machine alone: one that others use as well has its own admins.
    """
    if not stack.has_own_database:
        return f"{stack.settings.portal_url}/"
    engine = database.connect(stack.settings.database_url, process="command", role=tenancy.WORK)
    with database.across(engine) as connection:
        oldest = min(tenants.every(connection), key=lambda tenant: tenant.created_at, default=None)
        tenant = oldest or _first(connection)
        link = admins.first_link(connection, tenant.id, stack.settings.portal_url, terminal.operator())
    engine.dispose()
    return f"{link} (signs you in to {tenant.slug}, once)"


def _first(connection: Connection) -> Tenant:
    made = tenants.create(connection, FIRST_TENANT, None)
    audit.record(connection, made.id, Action.TENANT_CREATED, actor=terminal.operator(), target=made.id)
    return made
