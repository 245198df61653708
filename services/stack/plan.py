"""Decide what a stack consists of: its addresses, the servers that it needs, and the programs of Muster."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.stack import ports, postgres, valkey
from services.stack.children import Sink
from services.stack.servers import Server
from shared import settings as settings_module
from shared.settings import Settings

Argv = tuple[str, ...]
Launch = Callable[[Path, Sink], Server]

COMMANDS = {
    "migrate": "services.directory.commands",
    "gateway": "services.gateway.commands",
    "portal": "services.directory.portal.commands",
    "worker": "services.worker.commands",
    "beat": "services.worker.commands",
    "flower": "services.worker.commands",
}

# In the order in which they start and stop: the database starts last, since it may have to be made, and stops last.
SERVERS: Mapping[str, Launch] = {valkey.NAME: valkey.launch, postgres.NAME: postgres.launch}

LISTENING = {"gateway": "gateway_bind", "portal": "portal_bind"}
"""What takes connections from a socket that the stack holds, and the setting that says where it listens.

They wait in the socket's queue while there is no process.
"""

TELLING = frozenset({"gateway", "worker", "portal"})
"""What tells when it is ready, and may run beside a fresh process of its kind."""


def muster(name: str) -> Argv:
    """Return how to run one of our own commands: from its module, for the whole `muster` would load every service."""
    return (sys.executable, "-c", f"from {COMMANDS[name]} import {name}; {name}()")


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Programs by name: those that run to their end, those that serve requests, and those that can start after."""

    first: Mapping[str, Argv] = field(default_factory=lambda: {"migrate": muster("migrate")})
    then: Mapping[str, Argv] = field(default_factory=lambda: {name: muster(name) for name in ("gateway", "worker")})
    last: Mapping[str, Argv] = field(
        default_factory=lambda: {name: muster(name) for name in ("portal", "beat", "flower")}
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a stack starts, and the settings that its programs get."""

    settings: Settings
    environment: Mapping[str, str]
    servers: Mapping[str, Launch]
    programs: Programs


def make(data: Path, environ: Mapping[str, str], programs: Programs, wanted: Mapping[str, int | None]) -> Plan:
    """Plan a stack in a data folder: what the environment sets wins over servers of our own.

    `wanted` has a port for gateway, portal and flower; None leaves the one that the settings say.

    Raises StackError when a port cannot be had, and SettingsError when the environment is malformed.
    """
    given = settings_module.load(environ, data)
    urls = {valkey.NAME: given.broker_url, postgres.NAME: given.database_url}
    settings = _with_addresses(given, environ, wanted)
    settings = replace(
        settings,
        broker_url=given.broker_url or valkey.url(data / valkey.NAME),
        database_url=given.database_url or postgres.url(data / postgres.NAME),
    )
    return Plan(
        settings=settings,
        environment=_environment(settings, environ, data),
        servers={name: launch for name, launch in SERVERS.items() if not urls[name]},
        programs=programs,
    )


def _with_addresses(settings: Settings, environ: Mapping[str, str], wanted: Mapping[str, int | None]) -> Settings:
    binds = {"gateway": settings.gateway_bind, "portal": settings.portal_bind, "flower": settings.flower_bind}
    options = {f"--{name}-port": ports.with_port(bind, wanted[name]) for name, bind in binds.items()}
    gateway, portal, flower = ports.choose(options).values()
    return replace(
        settings,
        gateway_bind=gateway,
        portal_bind=portal,
        flower_bind=flower,
        public_url=environ.get("MUSTER_PUBLIC_URL") or f"http://{gateway}",
        portal_url=environ.get("MUSTER_PORTAL_URL") or f"http://{portal}",
    )


def _environment(settings: Settings, environ: Mapping[str, str], data: Path) -> dict[str, str]:
    own = {"MUSTER_DATA": str(data), "PYTHONUNBUFFERED": "1"}
    # What was read from files goes on as values.
    files = {settings_module.PREFIX + name.upper() + settings_module.FILE for name in settings_module.SECRETS}
    others = {name: value for name, value in environ.items() if name not in files}
    return {**others, **settings_module.environment(settings), **own}
