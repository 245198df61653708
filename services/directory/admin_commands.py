"""The commands of the staff portal's admins: create, list, link, remove."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Connection

from services.directory import admin_passwords, admins, audit, tenants, terminal
from services.directory.admin_passwords import PasswordError
from services.directory.admins import Admin, AdminError
from services.directory.audit_chain import Action
from services.directory.permissions import Permission

NOTHING = "nothing"


@click.group()
def admin() -> None:
    """Admins: who may sign in to the staff portal of a tenant."""


@admin.command("create")
@click.argument("email")
@click.option("--tenant", required=True, help="The tenant that the admin belongs to.")
@click.option("--link", "is_linked", is_flag=True, help="Set no password, and print a link that signs in once.")
@click.option(
    "--permission",
    "wanted",
    multiple=True,
    type=click.Choice([*(permission.value for permission in Permission), NOTHING]),
    help="What the admin may do beside what roles permit; repeat it.  [default: admin]",
)
@terminal.data_option
def create_admin(email: str, tenant: str, is_linked: bool, wanted: tuple[str, ...], data: Path | None) -> None:
    """Create the admin EMAIL. The password is asked for, or is the first line of standard input."""
    loaded = terminal.load_settings(data)
    granted = frozenset(Permission(name) for name in wanted or (Permission.ADMIN,) if name != NOTHING)
    password_hash = None if is_linked else _ask_password(email, tenant)
    with terminal.transaction(data) as connection, _told():
        admins.create(connection, tenants.serve(connection, tenant).id, email, password_hash, granted)
        made = _find(connection, email)
        _record(connection, Action.ADMIN_CREATED, made)
        secret = admins.make_link(connection, made) if is_linked else None
    click.echo(f"admin {email} of tenant {tenant} created. The staff portal: {loaded.portal_url}", err=True)
    if secret is not None:
        click.echo(admins.link_address(loaded.portal_url, secret))


@admin.command("list")
@click.option("--tenant", help="Only the admins of this tenant.")
@terminal.data_option
def list_admins(tenant: str | None, data: Path | None) -> None:
    """List admins."""
    with terminal.transaction(data) as connection:
        found = admins.every(connection, tenants.find(connection, tenant).id if tenant else None)
    terminal.table(
        ["email", "tenant", "permissions", "signs in with", "employee", "created"], [_row(each) for each in found]
    )


@admin.command("link")
@click.argument("email")
@terminal.data_option
def link_admin(email: str, data: Path | None) -> None:
    """Print a link that signs EMAIL in, once, within 12 hours: for a lost password, too."""
    loaded = terminal.load_settings(data)
    with terminal.transaction(data) as connection, _told():
        found = _find(connection, email)
        secret = admins.make_link(connection, found)
        _record(connection, Action.ADMIN_LINKED, found)
    click.echo(admins.link_address(loaded.portal_url, secret))


@admin.command("remove")
@click.argument("email")
@terminal.data_option
def remove_admin(email: str, data: Path | None) -> None:
    """Remove the admin EMAIL, who is signed out at once."""
    with terminal.transaction(data) as connection, _told():
        found = _find(connection, email)
        admins.remove(connection, found.id)
        _record(connection, Action.ADMIN_REMOVED, found)
    click.echo(f"admin {email} removed", err=True)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except AdminError as error:
        raise click.ClickException(str(error)) from error


def _record(connection: Connection, action: Action, about: Admin) -> None:
    details = {"email": about.email, "permissions": list(about.permissions)}
    audit.record(connection, about.tenant_id, action, actor=terminal.operator(), target=about.id, details=details)


def _find(connection: Connection, email: str) -> Admin:
    found = admins.find(connection, email)
    if found is None:
        raise AdminError(f"There is no admin {email!r} (see: muster admin list)")
    return found


def _ask_password(email: str, tenant: str) -> str:
    if sys.stdin.isatty():
        given = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        given = sys.stdin.readline().rstrip("\n")
    try:
        admin_passwords.check(given, (email, tenant))
    except PasswordError as error:
        raise click.ClickException(str(error)) from error
    return admin_passwords.hashed(given)


def _row(found: Admin) -> list[str | None]:
    return [
        found.email,
        found.tenant,
        " ".join(found.permissions) or "by roles only",
        "password" if found.password else "links",
        str(found.employee_id or ""),
        terminal.moment(found.created_at),
    ]
