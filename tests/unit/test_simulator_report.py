"""What a run reports: counts, percentiles, failures, and how long it waits before it tries again."""

import json

import pytest

from services.simulator import client, report
from services.simulator.report import Difference, Failure, Recorder


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, 0.0),
        ([4.0], 99, 4.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        ([float(number) for number in range(1, 101)], 99, 99.0),
        ([float(number) for number in range(1, 201)], 99, 198.0),
    ],
)
def test_percentiles_are_by_nearest_rank(values: list[float], percent: int, expected: float) -> None:
    assert report.percentile(values, percent) == expected


def test_requests_are_counted_by_kind_and_status() -> None:
    recorder = Recorder()
    for status, seconds in ((201, 0.010), (409, 0.030), (201, 0.020)):
        recorder.request("create user", "POST", status, seconds)
    recorder.request("match user", "GET", 200, 0.001)

    made = recorder.report([], {})

    assert [(kind.name, kind.count, kind.statuses) for kind in made.kinds] == [
        ("create user", 3, {201: 2, 409: 1}),
        ("match user", 1, {200: 1}),
    ]
    assert (made.kinds[0].p50_ms, made.kinds[0].p99_ms) == (20.0, 30.0)
    assert made.writes == 2


def test_all_failures_are_counted_and_the_first_are_kept() -> None:
    recorder = Recorder()
    for number in range(report.FAILURES_KEPT + 5):
        recorder.failure(Failure(kind="create user", subject=str(number), status=500, body="no"))

    made = recorder.report([], {})

    assert made.failure_count == report.FAILURES_KEPT + 5
    assert [failure.subject for failure in made.failures] == [str(n) for n in range(report.FAILURES_KEPT)]
    assert not made.is_clean


def test_a_difference_makes_a_report_unclean() -> None:
    difference = Difference(subject="user a", attribute="title", expected="'x'", found="None")

    assert Recorder().report([], {}).is_clean
    assert not Recorder().report([difference], {}).is_clean


def test_a_report_is_json() -> None:
    recorder = Recorder()
    recorder.request("create user", "POST", 201, 0.010)
    recorder.failure(Failure(kind="create user", subject="a", status=0, body="no answer"))

    values = json.loads(json.dumps(report.as_json(recorder.report([], {"users": 1}))))

    assert values["requests"]["create user"] == {"count": 1, "statuses": {"201": 1}, "p50_ms": 10.0, "p99_ms": 10.0}
    assert values["failures"] == [{"kind": "create user", "subject": "a", "status": 0, "body": "no answer"}]
    assert (values["clean"], values["checked"]) == (False, {"users": 1})


@pytest.mark.parametrize(
    ("retry_after", "attempt", "expected"),
    [
        ("7", 0, 7.0),
        ("0", 5, 0.0),
        ("100000", 0, client.LONGEST_PAUSE),
        (None, 0, 0.5),
        (None, 9, 10.0),
        ("soon", 1, 1.0),
    ],
)
def test_the_next_attempt_waits_as_the_server_says_or_ever_longer(
    retry_after: str | None, attempt: int, expected: float
) -> None:
    assert client.pause(retry_after, attempt) == expected
