"""scim2-tester, the python-scim project's check of servers, which reads what a server says of itself and tries it."""

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from scim2_tester.utils import CheckResult

from tests.factories import Client

GOOD = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE}


def test_every_check_passes_and_none_is_skipped(client: Client) -> None:
    authorization = {"Authorization": client.headers["Authorization"]}
    with httpx2.Client(base_url=str(client.base_url), headers=authorization, timeout=60) as http:
        results = check_server(SyncSCIMClient(http))

    assert [said(result) for result in results if result.status not in GOOD] == []
    assert len(results) >= 130
    assert {result.resource_type for result in results} == {None, "User", "Group"}


def said(result: CheckResult) -> str:
    return f"{result.status.name} {result.resource_type or ''} {result.title}: {result.reason}"
