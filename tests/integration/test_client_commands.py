"""OAuth clients as an operator sees them: created, listed, revoked; and issuers that a tenant trusts."""

import re
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, select

from services.cli import main
from services.directory import clients, database, tables
from services.directory.clients import Kind
from shared.settings import Settings
from tests.factories import Tenant

ISSUER = "https://login.example/tenant/v2.0"
FEDERATED = ["--issuer", ISSUER, "--subject", "workload", "--audience", "api://muster"]


@pytest.fixture
def environ(servers: Settings, engine: Engine) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}


def muster(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environ)


def test_a_client_is_created_and_its_secret_shown_once(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    slug = tenant.principal.tenant

    made = muster(environ, "client", "create", "Entra", "--tenant", slug, "--scope", "read", "--scope", "users")

    found = re.fullmatch(r"client id: (\S+)\nclient secret: (mcs_\S+)\n", made.stdout)
    assert found is not None
    listed = muster(environ, "client", "list", "--tenant", slug).stdout
    with database.transaction(engine) as connection:
        assert clients.has_secret(connection, UUID(found[1]), found[2])
        assert not clients.has_secret(connection, UUID(found[1]), found[2] + "x")
        rows = connection.execute(select(tables.client)).all()
    assert found[2] not in listed + repr(rows)
    assert re.search(rf"{found[1]} +{slug} +Entra +a secret.* {found[2][-4:]} .*active +read users", listed)


def test_a_federated_client_has_no_secret(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    made = muster(environ, "client", "create", "WIF", "--tenant", tenant.principal.tenant, *FEDERATED)

    [client_id] = re.findall(r"client id: (\S+)\n", made.stdout)
    with database.transaction(engine) as connection:
        found = clients.find(connection, UUID(client_id))
        assert not clients.has_secret(connection, UUID(client_id), "")
    assert found is not None
    assert (found.kind, found.issuer, found.subject) == (Kind.ASSERTION, ISSUER, "workload")
    assert "secret" not in made.stdout


def test_a_client_is_revoked_once(environ: dict[str, str], tenant: Tenant) -> None:
    made = muster(environ, "client", "create", "x", "--tenant", tenant.principal.tenant).stdout
    [client_id] = re.findall(r"client id: (\S+)\n", made)

    revoked, again = (muster(environ, "client", "revoke", client_id) for _ in range(2))

    assert (revoked.exit_code, again.exit_code) == (0, 1)
    assert " revoked " in muster(environ, "client", "list", "--tenant", tenant.principal.tenant).stdout


def test_a_tenant_trusts_an_issuer_until_it_is_revoked(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    slug, audience = tenant.principal.tenant, f"api://{tenant.principal.tenant_id}"
    trust = ["tenant", "trust-issuer", slug, "--issuer", ISSUER, "--audience", audience]

    client_id = muster(environ, *trust).stdout.strip()
    twice = muster(environ, *trust, "--subject", "one")
    muster(environ, "client", "revoke", client_id)
    anew = muster(environ, *trust)

    assert "already" in twice.stderr
    assert anew.exit_code == 0
    with database.transaction(engine) as connection:
        found = clients.trusting(connection, ISSUER, [audience], "anybody")
    assert found is not None
    assert str(found.id) == anew.stdout.strip()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--subject", "x"], "name it"),
        (["--issuer", ISSUER], "needs --issuer, --subject and --audience"),
        (["--issuer", "http://login.example", *FEDERATED[2:]], "begins with https://"),
        (["--issuer", "http://127.0.0.1.example/", *FEDERATED[2:]], "begins with https://"),
        ([*FEDERATED, "--jwks-url", "file:///etc/passwd"], "begins with https://"),
        (["--scope", "read"], "could do nothing"),
        (["--network", "here"], "is not a network"),
    ],
)
def test_what_makes_no_client_is_refused(
    environ: dict[str, str], tenant: Tenant, options: list[str], said: str
) -> None:
    refused = muster(environ, "client", "create", "x", "--tenant", tenant.principal.tenant, *options)

    assert refused.exit_code != 0
    assert said in refused.stderr
    assert refused.stdout == ""
