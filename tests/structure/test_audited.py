"""Every command either writes a row of the audit or changes nothing that a tenant has."""

from collections.abc import Iterator
from pathlib import Path

import click

from services.cli import main
from services.directory.audit_chain import Action

SERVICES = Path(__file__).parents[2] / "services"

AUDITED = {
    "migrate": {Action.SCHEMA_MIGRATED},
    "demo": {Action.TENANT_CREATED, Action.TOKEN_CREATED, Action.ADMIN_CREATED, Action.ADMIN_LINKED},
    "up": {Action.TENANT_CREATED, Action.ADMIN_CREATED, Action.ADMIN_LINKED},
    "admin create": {Action.ADMIN_CREATED},
    "admin link": {Action.ADMIN_LINKED},
    "admin remove": {Action.ADMIN_REMOVED},
    "restart": {Action.PART_RESTARTED},
    "tenant create": {Action.TENANT_CREATED},
    "tenant erase-person": {Action.PERSON_ERASED},
    "tenant export": {Action.TENANT_EXPORTED},
    "token create": {Action.TOKEN_CREATED},
    "token rotate": {Action.TOKEN_ROTATED},
    "token retire": {Action.TOKEN_RETIRED},
    "token revoke": {Action.TOKEN_REVOKED},
    "tenant trust-issuer": {Action.ISSUER_TRUSTED},
    "client create": {Action.CLIENT_CREATED},
    "client revoke": {Action.CLIENT_REVOKED},
    "keys rotate": {Action.KEYS_ROTATED},
    "keys revoke": {Action.KEY_REVOKED},
    "extension add": {Action.EXTENSION_DECLARED},
    "extension remove": {Action.EXTENSION_REMOVED},
    "region add": {Action.REGION_CREATED},
    "region rename": {Action.REGION_RENAMED},
    "region remove": {Action.REGION_REMOVED},
    "region rules apply": {Action.REGION_RULES_SAVED},
    "region rules again": {Action.REGION_RULES_AGAIN},
    "operations retry": {Action.OPERATION_RETRIED},
    "operations discard": {Action.OPERATION_DISCARDED},
    "operations show": {Action.VALUES_SHOWN},
    "why": {Action.VALUES_SHOWN},
    "audit export": {Action.AUDIT_EXPORTED},
}
READING = {
    *("region list", "region rules show", "region rules preview"),
    *("tenant list", "tenant tolerances", "token list", "extension check", "extension list", "extension show"),
    *(
        "operations list",
        "operations backlog",
        "operations figures",
        "connections",
        "cycles",
        "counters",
        "doctor",
        "audit list",
        "audit verify",
        "client list",
        "admin list",
        "keys list",
    ),
}
PROCESSES = {"down", "gateway", "edge", "portal", "worker", "beat", "flower"}
IN_THE_PORTAL = {Action.ADMIN_SIGNED_IN, Action.ADMIN_PASSWORD_SET, Action.PERMISSIONS_SET}
OVER_HTTP = {"simulate entra", "simulate okta"}
"""They have a token, and what it changes is sealed."""


def test_every_command_is_audited_or_changes_nothing() -> None:
    known = AUDITED.keys() | READING | PROCESSES | OVER_HTTP

    assert sorted(name for name, _ in _commands(main)) == sorted(known)


def test_every_action_is_one_that_something_writes() -> None:
    code = "\n".join(path.read_text() for path in sorted(SERVICES.rglob("*.py")))

    unused = [action for action in Action if f"Action.{action.name}" not in code]

    assert unused == []
    assert set().union(*AUDITED.values()) | IN_THE_PORTAL | {Action.WRITES_SEALED} == set(Action)


def _commands(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield before + name, command
