"""The whole of `muster simulate entra`, over HTTP, against a small server that can be told to make mistakes."""

import json
import threading
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.simulator import commands, entra
from services.simulator.client import Client, Target, with_plus
from services.simulator.entra import Plan
from services.simulator.entra_bodies import Dialect
from services.simulator.report import Recorder, Report
from tests.integration import simulator_target
from tests.integration.simulator_target import Directory, Fault

SMALL = Plan(users=30, groups=4, cycles=3, seed=4)
BOTH = pytest.mark.parametrize("dialect", list(Dialect))


def run(directory: Directory, plan: Plan = SMALL, flags: str = "") -> Report:
    with simulator_target.serving(directory) as url:
        return entra.provision(Target(url=url + flags, token=simulator_target.TOKEN), plan)


def command(directory: Directory, *arguments: str, token: str = simulator_target.TOKEN) -> Result:
    with simulator_target.serving(directory) as url:
        options = ["entra", "--url", url, "--users", "12", "--groups", "2", *arguments]
        return CliRunner().invoke(commands.simulate, options, env={"MUSTER_TOKEN": token})


def small(dialect: Dialect) -> Plan:
    return Plan(users=30, groups=4, cycles=3, seed=4, dialect=dialect)


@BOTH
def test_a_good_server_ends_with_no_failure_and_no_difference(dialect: Dialect) -> None:
    report = run(Directory(), small(dialect))

    assert report.failures == ()
    assert report.differences == ()
    assert report.checked["users"] > 25
    assert report.checked["deleted"] > 0


@BOTH
def test_every_kind_of_request_is_sent(dialect: Dialect) -> None:
    report = run(Directory(), small(dialect))

    users = {"test connection", "match user", "create user", "get user", "update user", "disable user", "restore user"}
    groups = {"match group", "create group", "get group", "rename group", "delete group", "add member", "remove member"}
    others = {"delete user", "set manager", "clear manager", "check reference", "read schemas", "read back"}
    assert {kind.name for kind in report.kinds} == users | groups | others


@BOTH
def test_a_second_run_takes_over_what_the_first_left(dialect: Dialect) -> None:
    directory = Directory()

    run(directory, small(dialect))
    again = run(directory, small(dialect))

    assert again.is_clean, (again.failures, again.differences)


def test_runs_of_other_sizes_can_follow_in_one_directory() -> None:
    directory = Directory()

    run(directory, Plan(users=30, groups=4, cycles=4))
    again = run(directory, Plan(users=20, groups=6, cycles=2))

    assert again.is_clean, (again.failures, again.differences)


def test_companies_of_other_seeds_are_left_alone() -> None:
    directory = Directory()

    run(directory, Plan(users=20, groups=3, cycles=1, seed=1))
    run(directory, Plan(users=20, groups=3, cycles=1, seed=2))
    again = run(directory, Plan(users=20, groups=3, cycles=1, seed=1))

    assert again.is_clean
    assert again.writes == 0


def test_five_members_enter_a_group_at_once() -> None:
    directory = Directory()
    directory.meeting = threading.Barrier(5)  # A server that answers only when five have come.

    report = run(directory, Plan(users=10, groups=1, memberships=5, cycles=1, concurrency=16))

    assert report.is_clean
    assert Counter(kind.name for kind in report.kinds)["add member"] == 1


def test_the_flags_of_the_tenant_url_are_on_every_request() -> None:
    directory = Directory()

    run(directory, Plan(users=3, groups=1, cycles=2), flags="?aadOptscim062020")

    assert all("aadOptscim062020" in path.partition("?")[2] for _, path, _ in directory.requests)


def test_filters_are_encoded_as_entra_does() -> None:
    directory = Directory()

    run(directory, Plan(users=2, groups=0, cycles=1))

    matched = [path for _, path, _ in directory.requests if "userName" in path]
    assert all(path.startswith('/scim/v2/Users?filter=userName+eq+"') for path in matched)
    assert any("%40" in path for path in matched)


@pytest.mark.parametrize(
    ("fault", "subject", "attribute"),
    [
        (Fault.LOSES_A_MEMBER, "group ", "members"),
        (Fault.EMPTIES_GROUP_ON_REMOVE, "group ", "members"),
        (Fault.IGNORES_FALSE_AS_TEXT, "user ", "active"),
        (Fault.KEEPS_DELETED, "user ", "id"),
        (Fault.KEEPS_DELETED, "deleted /Users/", "status"),
        (Fault.KEEPS_DELETED, "deleted /Groups/", "status"),
    ],
)
def test_the_check_finds_what_a_wrong_server_did(fault: Fault, subject: str, attribute: str) -> None:
    report = run(Directory(fault))

    assert any(d.subject.startswith(subject) and d.attribute == attribute for d in report.differences)
    assert not report.failures


def test_refused_requests_are_failures_with_their_bodies() -> None:
    report = run(Directory(Fault.REFUSES_PATCH), Plan(users=5, groups=1, memberships=2, cycles=1))

    assert report.failure_count == 6
    assert {(failure.kind, failure.status) for failure in report.failures} == {
        ("add member", 400),
        ("set manager", 400),
    }
    assert all("this server does not patch" in failure.body for failure in report.failures)
    assert len(report.differences) == 6


def test_a_create_without_a_resource_in_the_answer_is_a_failure() -> None:
    report = run(Directory(Fault.CREATES_WITHOUT_BODY), Plan(users=2, groups=0, cycles=1))

    assert [(failure.kind, failure.status) for failure in report.failures] == [("create user", 201)]


def test_a_create_whose_answer_was_lost_is_matched_and_not_repeated() -> None:
    directory = Directory(Fault.DROPS_FIRST_CREATE_ANSWER)

    report = run(directory, Plan(users=3, groups=0, cycles=1))

    assert report.is_clean
    assert Counter(kind.statuses.get(0, 0) for kind in report.kinds)[1] == 1
    assert len(directory.resources["Users"]) == 3


def test_a_busy_server_is_asked_again_when_it_said() -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)

    recorder = Recorder()
    with simulator_target.serving(Directory(Fault.BUSY_AT_FIRST)) as url:
        client = Client(Target(url=url, token=simulator_target.TOKEN), recorder, {}, sleep, encode=with_plus)
        answer = client.expect("match user", "GET", "/Users", subject="all")
        client.close()

    assert (answer.status, pauses) == (200, [0.0])
    assert recorder.report([], {}).is_clean


def test_the_command_shows_a_summary_and_writes_it_as_json(tmp_path: Path) -> None:
    file = tmp_path / "summary.json"

    result = command(Directory(), "--json", str(file))

    assert result.exit_code == 0, result.output
    assert "create user" in result.output
    assert "The directory is as the company" in result.output
    assert json.loads(file.read_text())["requests"]["create user"]["statuses"].keys() == {"201"}
    assert simulator_target.TOKEN not in result.output + file.read_text()


@pytest.mark.parametrize("fault", [Fault.LOSES_A_MEMBER, Fault.IGNORES_FALSE_AS_TEXT, Fault.REFUSES_PATCH])
def test_the_command_fails_on_any_difference_or_failure(fault: Fault) -> None:
    result = command(Directory(fault), "--quiet")

    assert result.exit_code == 1
    assert "differences from the company" in result.output


def test_the_dialect_follows_the_flag_in_the_url() -> None:
    directory = Directory()

    with simulator_target.serving(directory) as url:
        arguments = ["entra", "--url", f"{url}/?aadOptscim062020", "--users", "4", "--groups", "1", "--quiet"]
        result = CliRunner().invoke(commands.simulate, arguments, env={"MUSTER_TOKEN": simulator_target.TOKEN})

    patches = [body["Operations"] for method, _, body in directory.requests if method == "PATCH"]
    assert result.exit_code == 0, result.output
    assert {operation["op"] for operations in patches for operation in operations} <= {"add", "replace", "remove"}


@pytest.mark.parametrize(
    ("arguments", "token", "words"),
    [
        (["--quiet"], "wrong", "refused the token (401)"),
        (["--quiet", "--url", "http://127.0.0.1:1/scim"], simulator_target.TOKEN, "Nobody listens at"),
    ],
)
def test_a_target_that_cannot_be_used_is_one_clear_line(arguments: list[str], token: str, words: str) -> None:
    result = command(Directory(), *arguments, token=token)

    assert result.exit_code == 1
    assert words in result.output
    assert len(result.output.splitlines()) == 1
    assert "wrong" not in result.output


def test_a_wrong_path_is_one_clear_line() -> None:
    with simulator_target.serving(Directory()) as url:
        arguments = ["entra", "--url", f"{url}/v3", "--quiet"]
        result = CliRunner().invoke(commands.simulate, arguments, env={"MUSTER_TOKEN": simulator_target.TOKEN})

    assert result.exit_code == 1
    assert "There is no SCIM service at" in result.output


def test_the_token_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSTER_TOKEN", raising=False)

    result = CliRunner().invoke(commands.simulate, ["entra"])

    assert result.exit_code == 2
    assert "--token" in result.output


def test_progress_is_plain_lines_without_a_terminal() -> None:
    result = command(Directory(), "--cycles", "3")

    assert [line.partition(":")[0] for line in result.output.splitlines()].count("users") == 3
