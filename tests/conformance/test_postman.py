"""Microsoft's reference collection for SCIM servers, run by newman, where its folder and newman are there."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.factories import Client

ROOT = Path(__file__).parents[2]
NEWMAN = ROOT / ".newman" / "node_modules" / ".bin" / "newman"
SUITES = os.environ.get("MUSTER_SUITES", "")
COLLECTION = Path(SUITES) / "microsoft-scim-reference.postman_collection.json"
FOLDERS = (
    "Endpoint tests",
    "User tests",
    "Group tests",
    "ComplexAttribute tests",
    "User tests with garbage",
    "Group tests with garbage",
    "Teardown garbage",
)
LONGEST = 240
"""Seconds after which something hangs; a run takes about 10."""

ERRORS_OF_THE_COLLECTION = {
    (
        "Get empty Users",
        "Status code is 200",
    ): "asks for /users; /ResourceTypes says /Users",
    ("Get ServiceProviderConfig", "Status code is 200"): "asks for /serviceConfiguration, which no RFC knows",
    ("Get ServiceProviderConfig", "Pach supported is true"): "the same request",
    ("Get group by id", "Body contians user"): "names the member by `displayName`; a member has a readOnly `display`",
    (
        "Patch user omalley new username",
        "Status code is 204",
    ): "wants 204; PATCH may be answered with 200, too",
    ("patch user omalley active with boolean", "Status code is 204"): "wants 204",
    ("filter eq and (val or val)", "Total results"): "does not quote the value in its filter",
    ("filter starts with", "Total results"): "does not quote the value in its filter",
    ("filter greater than", "Total results"): "does not quote the value in its filter",
    ("Group patch add member", "Status code is 204"): "adds 'string id 1', which is nobody",
    ("Group patch add member2", "Status code is 204"): "adds 'string id 2', which is nobody",
}
"""What fails for a reason that is not this server's; docs/conformance.md tells each at length."""


@pytest.mark.skipif(not SUITES, reason="MUSTER_SUITES names no folder with the collection")
def test_nothing_fails_but_what_the_collection_has_wrong(client: Client, tmp_path: Path) -> None:
    if not NEWMAN.exists():
        pytest.skip("newman is not installed: make conformance does it, with npm")

    run = _run(client, tmp_path / "report.json")

    assert run["stats"]["requests"] == {"total": 76, "pending": 0, "failed": 0}
    assert run["stats"]["assertions"]["total"] == 103
    failed = Counter(map(_key, run["failures"]))
    messages = [_said(failure) for failure in run["failures"] if _key(failure) not in ERRORS_OF_THE_COLLECTION]
    assert messages == []
    assert failed == Counter(ERRORS_OF_THE_COLLECTION.keys())


def _run(client: Client, report: Path) -> dict[str, Any]:
    """Run the collection, and return newman's report of it."""
    url, token = urlsplit(str(client.base_url)), client.tenant.secret
    variables = {
        "Protocol": url.scheme,
        "Server": url.hostname,
        "Port": f":{url.port}",
        "Api": url.path.strip("/"),
        "token": token,
        "Token": token,
    }
    subprocess.run(
        [
            *(str(NEWMAN), "run", str(COLLECTION), "--timeout-request", "10000"),
            *(word for folder in FOLDERS for word in ("--folder", folder)),
            *(word for name, value in variables.items() for word in ("--env-var", f"{name}={value}")),
            *("--reporters", "json", "--reporter-json-export", str(report)),
        ],
        check=False,  # It fails with the collection's own errors.
        capture_output=True,
        timeout=LONGEST,
    )
    told: dict[str, Any] = json.loads(report.read_text())["run"]
    return told


def _key(failure: dict[str, Any]) -> tuple[str, str]:
    return (failure["source"]["name"], failure["error"]["test"])


def _said(failure: dict[str, Any]) -> str:
    return f"{failure['parent']['name']} / {failure['source']['name']}: {failure['error']['message']}"
