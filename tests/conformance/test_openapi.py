"""schemathesis: random requests made from the OpenAPI document, whose answers must be as it describes them."""

import json
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx
from sqlalchemy import Connection, Engine

from services.directory import database, tokens
from services.directory.tokens import Terms
from services.gateway.responses import PREFIX
from shared.settings import Settings
from tests.factories import Client, person

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
TARGET = """
[[operations]]
include-operation-id = "{operation}"
parameters = {parameters}
"""
"""Random ids are nobody's, and some operations are only worth their while on somebody."""

OUTSIDE = {"Documentation", "Health", "OAuth", "Admin"}
"""Tags of what stands beside the prefixes, or is the document itself."""

OF_ME = {"getMe", "replaceMe", "patchMe"}
"""They have a run of their own, in which nobody deletes the User whom the token is bound to."""

KEY = "Idempotency-Key"
"""Not tried here: most keys that are made up are the same, and each but the first of those is refused."""

OF_TOKENS = {"listTokens", "createToken", "getToken", "rotateToken", "retireToken", "revokeToken"}
"""They are beside the prefixes, and for a token that opens nothing else."""

ONCE = "POST /rest/admin/v1/tokens/{token_id}/rotate"
"""A token is rotated once, perhaps by a request that was made up to be refused."""

WITHOUT_LINKS = ("--phases", "examples,coverage,fuzzing")

NEVER_GRANTED = {"createMe", "deleteMe"}
"""One is always refused, the other would leave the token with nobody."""

LONGEST = 270
"""Seconds after which something hangs; a run takes about 40."""


def test_every_answer_is_as_the_document_describes_it(client: Client, tmp_path: Path) -> None:
    base = str(client.base_url).rstrip("/")
    names = described(base) - OF_ME - NEVER_GRANTED

    assert run(base, str(client.headers["Authorization"]), names, targets(client), tmp_path) == []


def test_so_is_every_answer_of_me(client: Client, stack_engine: Engine, tmp_path: Path) -> None:
    base = str(client.base_url).rstrip("/")
    user = client.create_user()
    with database.transaction(stack_engine) as connection:
        secret = tokens.create(connection, client.tenant.principal.tenant_id, "me", UUID(user["id"]))

    assert run(base, f"Bearer {secret}", OF_ME, [], tmp_path, *WITHOUT_LINKS) == []


def test_so_is_every_answer_about_tokens(client: Client, stack: Settings, stack_engine: Engine, tmp_path: Path) -> None:
    with database.transaction(stack_engine) as connection:
        mine = partial(tokens.create, connection, client.tenant.principal.tenant_id)
        secret = mine("automation", None, Terms(scopes=tokens.ADMINISTRATION))
        made = {name: token_id(connection, mine(name)) for name in OF_TOKENS - {"listTokens", "createToken"}}
        tokens.rotate(connection, made["retireToken"], timedelta(days=7))
    parameters = [TARGET.format(operation=name, parameters=f'{{ token_id = "{i}" }}') for name, i in made.items()]

    refused = run(stack.public_url, f"Bearer {secret}", OF_TOKENS, parameters, tmp_path, *WITHOUT_LINKS)

    assert {*refused} <= {ONCE}


def token_id(connection: Connection, secret: str) -> UUID:
    principal = tokens.authenticate(connection, secret)
    assert principal is not None
    return principal.token_id


def run(base: str, authorization: str, names: set[str], tables: list[str], folder: Path, *options: str) -> list[str]:
    """Run these operations, which must all be run and answer as described; return those that granted no request."""
    report, configuration, document = (folder / n for n in ("report.json", "schemathesis.toml", "openapi.json"))
    described = httpx.get(f"{urljoin(base, PREFIX)}/openapi.json").json()
    document.write_text(json.dumps(without_keys(described)))
    configuration.write_text("\n".join([CONFIGURATION.read_text(), *tables]))
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
            *("run", str(document), "--url", base, "--no-color", "--continue-on-failure", "--warnings", "off"),
            *("--header", f"Authorization: {authorization}", "--report-json-path", str(report), *options),
            *(word for name in sorted(names) for word in ("--include-operation-id", name)),
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=LONGEST,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-5_000:]
    told = json.loads(report.read_text())
    assert told["errors"] == []
    assert told["operations"]["tested"] == told["operations"]["selected"] == len(names)
    return [name for name, phases in told["valid_rates"].items() if not granted(phases)]


def without_keys(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document whose operations take no key."""
    for path in document["paths"].values():
        for operation in (each for method, each in path.items() if method != "servers"):
            operation["parameters"] = [each for each in operation["parameters"] if each["name"] != KEY]
    return document


def targets(client: Client) -> list[str]:
    """Return what names somebody to the operations that need one."""
    accepted = client.post("/Users", json=person(), headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202
    parameters = {
        "patchUser": f'{{ resource_id = "{client.create_user()["id"]}", If-Match = "*" }}',
        "patchGroup": f'{{ resource_id = "{client.create_group()["id"]}", If-Match = "*" }}',
        "getAsyncResult": f'{{ txn = "{accepted.headers["Set-Txn"]}" }}',
    }
    return [TARGET.format(operation=name, parameters=given) for name, given in parameters.items()]


def described(base: str) -> set[str]:
    """Return the names of all operations under the prefix, but for the document's own."""
    document = httpx.get(f"{base}/openapi.json").json()
    operations = [
        operation for path in document["paths"].values() for method, operation in path.items() if method != "servers"
    ]
    return {each["operationId"] for each in operations if not OUTSIDE & {*each["tags"]}}


def granted(phases: dict[str, Any]) -> int:
    """Return how many requests of an operation were granted, so that none is only ever refused."""
    return sum(phase["accepted"] for phase in phases.values())
