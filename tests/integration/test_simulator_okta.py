"""The whole of `muster simulate okta`, over HTTP, against a small server that can be told to make mistakes."""

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.simulator import commands, okta
from services.simulator.client import Target
from services.simulator.okta import Plan
from services.simulator.okta_bodies import Mode
from services.simulator.report import Report
from tests.integration import simulator_target
from tests.integration.simulator_target import Directory, Fault

BOTH = pytest.mark.parametrize("mode", list(Mode))
EITHER_POLICY = pytest.mark.parametrize("faults", [(), (Fault.TAKES_LEAVERS_BACK,)], ids=["refuses", "takes back"])


def run(directory: Directory, plan: Plan) -> Report:
    with simulator_target.serving(directory) as url:
        return okta.provision(Target(url=url, token=simulator_target.TOKEN), plan)


def small(mode: Mode, seed: int = 4) -> Plan:
    return Plan(users=30, groups=4, cycles=3, seed=seed, mode=mode)


def command(directory: Directory, *arguments: str, token: str = simulator_target.TOKEN) -> Result:
    with simulator_target.serving(directory) as url:
        options = ["okta", "--url", url, "--users", "12", "--groups", "2", *arguments]
        return CliRunner().invoke(commands.simulate, options, env={"MUSTER_TOKEN": token})


@BOTH
@EITHER_POLICY
def test_a_good_server_ends_with_no_failure_and_no_difference(mode: Mode, faults: tuple[Fault, ...]) -> None:
    directory = Directory(*faults)

    report = run(directory, small(mode))

    assert (report.failures, report.differences) == ((), ())
    assert report.checked["users"] == len(directory.resources["Users"]) > 30


def test_a_template_sends_every_kind_of_request() -> None:
    report = run(Directory(), small(Mode.TEMPLATE))

    connecting = {"test connection", "read configuration", "import users", "import groups", "read back"}
    users = {"match user", "create user", "get user", "update user", "disable user", "restore user"}
    groups = {"create group", "rename group", "push members", "change members", "delete group"}
    assert {kind.name for kind in report.kinds} == connecting | users | groups


def test_the_wizard_replaces_everything() -> None:
    directory = Directory()

    report = run(directory, small(Mode.WIZARD))

    assert {"create user again", "replace group", "disable user"} < {kind.name for kind in report.kinds}
    assert not [method for method, _, _ in directory.requests if method == "PATCH"]


@BOTH
def test_people_are_never_deleted(mode: Mode) -> None:
    directory = Directory()

    run(directory, small(mode))

    deleted = [path for method, path, _ in directory.requests if method == "DELETE"]
    assert deleted != []
    assert all("/Groups/" in path for path in deleted)


@BOTH
def test_a_second_run_takes_over_what_the_first_left(mode: Mode) -> None:
    directory = Directory()

    run(directory, small(mode))
    again = run(directory, small(mode))

    assert again.is_clean, (again.failures, again.differences)


def test_companies_of_other_seeds_are_left_alone() -> None:
    directory = Directory()

    for seed in (1, 2, 1):
        report = run(directory, Plan(users=20, groups=3, cycles=2, seed=seed))
        assert report.is_clean, (report.failures, report.differences)


def test_queries_are_encoded_as_okta_does() -> None:
    directory = Directory()

    run(directory, Plan(users=2, groups=0, cycles=1))

    queries = [path.partition("?")[2] for _, path, _ in directory.requests]
    assert queries[0] == "startIndex=1&count=2"
    assert any(q.startswith("startIndex=1&count=100&filter=userName%20eq%20%22") for q in queries)


@pytest.mark.parametrize(
    ("mode", "fault", "subject", "attribute"),
    [
        (Mode.WIZARD, Fault.IGNORES_ACTIVE_IN_PUT, "user ", "active"),
        (Mode.WIZARD, Fault.LOSES_A_MEMBER, "group ", "members"),
        (Mode.TEMPLATE, Fault.EMPTIES_GROUP_ON_REMOVE, "group ", "members"),
        (Mode.TEMPLATE, Fault.KEEPS_DELETED, "deleted /Groups/", "status"),
    ],
)
def test_the_check_finds_what_a_wrong_server_did(mode: Mode, fault: Fault, subject: str, attribute: str) -> None:
    report = run(Directory(fault), small(mode))

    assert any(d.subject.startswith(subject) and d.attribute == attribute for d in report.differences)
    assert not report.failures


def test_a_server_that_refuses_the_id_in_a_rename_is_found_out() -> None:
    report = run(Directory(Fault.REFUSES_ID_IN_PATCH), small(Mode.TEMPLATE))

    assert {(failure.kind, failure.status) for failure in report.failures} == {("rename group", 400)}


def test_a_leaver_who_becomes_somebody_else_is_a_failure() -> None:
    report = run(Directory(Fault.CREATES_LEAVERS_ANEW), small(Mode.WIZARD))

    assert {(failure.kind, failure.status) for failure in report.failures} == {("create user again", 201)}
    assert any(d.attribute == "id" for d in report.differences)


def test_many_members_are_pushed_in_parts() -> None:
    directory = Directory()

    report = run(directory, Plan(users=1200, groups=1, memberships=1200, cycles=1, concurrency=8))

    pushed = [
        len(op["value"])
        for method, _, body in directory.requests
        if method == "PATCH"
        for op in body["Operations"]
        if op.get("path") == "members"
    ]
    assert report.is_clean
    assert pushed == [1000, 200]


def test_the_command_shows_a_summary_and_writes_it_as_json(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"

    result = command(Directory(), "--mode", "wizard", "--json", str(file))

    assert result.exit_code == 0, result.output
    assert "The directory is as the company" in result.output
    assert json.loads(file.read_text())["requests"]["create user"]["statuses"].keys() == {"201"}
    assert simulator_target.TOKEN not in result.output + file.read_text()


def test_the_command_fails_on_any_difference() -> None:
    result = command(Directory(Fault.LOSES_A_MEMBER), "--mode", "wizard", "--quiet")

    assert result.exit_code == 1
    assert "differences from the company" in result.output


def test_a_target_that_cannot_be_used_is_one_clear_line() -> None:
    result = command(Directory(), "--quiet", token="wrong")

    assert result.exit_code == 1
    assert "refused the token (401)" in result.output
    assert Counter(result.output)["\n"] == 1
