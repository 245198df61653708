"""A stack to send made-up requests to: its tokens, its watchers, and somebody in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from services.directory import database, token_secrets, tokens
from services.directory.portal import app
from services.directory.tokens import Scope, Terms
from shared.settings import Settings
from tests import conftest, stacks
from tests.browsing import Browser, signed_in
from tests.factories import Client, Tenant
from tests.fuzz import verdict
from tests.fuzz.flood import Target
from tests.fuzz.material import MARK
from tests.fuzz.pages import Pages
from tests.fuzz.watch import Log

PEOPLE, SPARE = 20, 5
NARROW = (Terms(scopes=frozenset({Scope.READ, Scope.USERS})), Terms(networks=["127.0.0.0/8", "198.51.100.0/24"]))
"""What tokens may do that may do less than everything, or not from everywhere."""

ADMIN = Terms(scopes=frozenset({Scope.ADMIN}))


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is to be attacked, the gateway and the portal, where it keeps its files, and who reads its log."""

    gateway: Target
    portal: Target
    data: Path
    log: Log


@contextmanager
def running(data: Path) -> Iterator[Site]:
    """Run a whole stack, with somebody in the directory; one proxy before it is believed."""
    log = Log()
    environ = conftest.environment() | {"MUSTER_TRUSTED_PROXIES": "1", "MUSTER_LOG_LEVEL": "INFO"}
    with stacks.lean(data, environ, "portal", sink=log) as stack:
        engine = database.connect(stack.settings.database_url, process="fuzz")
        tenant = conftest.make_tenant(engine)
        narrow = [_token(engine, tenant, each) for each in NARROW]
        secrets = (tenant.secret, *narrow, token_secrets.generate(), _token(engine, tenant, ADMIN))
        with Client(stack.settings.public_url, tenant) as client:
            ids = [client.create_user()["id"] for _ in range(PEOPLE)]
            ids.append(client.create_group(members=[{"value": each} for each in ids])["id"])
        # Those that only the portal uses: it may revoke them.
        ids += _spare(engine, tenant)
        gateway = Target(address=stack.settings.gateway_bind, secrets=secrets)
        with signed_in(stack.settings, engine, tenant) as admin:
            portal = _portal(stack.settings, admin, ids)
            log.secrets = (*secrets, *portal.secrets, MARK)
            yield Site(gateway=gateway, portal=portal, data=stack.data, log=log)
        engine.dispose()


def _token(engine: Engine, tenant: Tenant, terms: Terms) -> str:
    with database.transaction(engine) as connection:
        return tokens.create(connection, tenant.principal.tenant_id, "narrow", terms=terms)


def _spare(engine: Engine, tenant: Tenant) -> list[str]:
    """Return the ids of tokens that nobody uses."""
    with database.transaction(engine) as connection:
        made = [tokens.create(connection, tenant.principal.tenant_id, "spare") for _ in range(SPARE)]
        found = [tokens.authenticate(connection, secret) for secret in made]
    return [str(each.token_id) for each in found if each is not None]


def _portal(settings: Settings, admin: Browser, ids: list[str]) -> Target:
    """Return the portal as it is for an admin who is signed in."""
    word = admin.get("/account").text.partition('name="csrf" value="')[2][:64]
    cookie = "; ".join(f"{each.name}={each.value}" for each in admin.cookies.jar)
    made = app.create(settings)
    pages = Pages(list(made.extensions["routes"].values()), ids, word)
    made.extensions["running"].stop()
    return Target(address=settings.portal_bind, secrets=(cookie, "a=b"), make=pages.request, judge=verdict.of_page)
