"""scim-sanity, a probe that takes the RFC by the letter, in its strict mode."""

from typing import Any

from scim_sanity.probe.runner import run_probe_api

from tests.factories import Client

NOT_OURS = {
    "PATCH /Groups/{id} add member": "It adds 'fake-member-id', which is nobody; see docs/decisions/0007.",
}
"""Checks that fail because the probe asks for what this server refuses on purpose."""

NOT_OFFERED = ("Agent", "AgenticApplication")
"""Resource types of a draft; the probe skips them where a server does not offer them."""


def test_every_check_passes_but_for_those_named_here(client: Client) -> None:
    report = run_probe_api(str(client.base_url).rstrip("/"), token=client.tenant.secret, strict=True)

    results = report["results"]
    failed = {each["name"]: said(each) for each in results if each["status"] not in {"pass", "skip"}}
    skipped = [each["name"] for each in results if each["status"] == "skip"]
    assert {name: text for name, text in failed.items() if name not in NOT_OURS} == {}
    assert failed.keys() == NOT_OURS.keys()
    assert [name for name in skipped if not name.startswith(NOT_OFFERED)] == []
    assert report["summary"]["passed"] >= 27


def test_the_probe_leaves_nothing_behind(client: Client) -> None:
    run_probe_api(str(client.base_url).rstrip("/"), token=client.tenant.secret, strict=True)

    assert client.get("/Users").json()["totalResults"] == 0
    assert client.get("/Groups").json()["totalResults"] == 0


def said(result: dict[str, Any]) -> str:
    return f"{result['status']} {result['phase']}: {result.get('message')}"
