"""What the simulated identity providers do ends as it should, against everything that runs in production."""

import pytest

from services.simulator import entra, okta
from services.simulator.client import Target
from services.simulator.entra_bodies import Dialect
from services.simulator.okta_bodies import Mode
from tests.factories import Client


def target(client: Client) -> Target:
    return Target(url=str(client.base_url), token=client.tenant.secret)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_entra_leaves_the_directory_as_its_company_is(client: Client, dialect: Dialect) -> None:
    report = entra.provision(target(client), entra.Plan(users=24, groups=4, cycles=3, seed=5, dialect=dialect))

    assert (report.failures, report.differences) == ((), ())
    assert report.checked["users"] > 20
    assert report.checked["deleted"] > 0


@pytest.mark.parametrize("mode", list(Mode))
def test_okta_leaves_the_directory_as_its_company_is(client: Client, mode: Mode) -> None:
    report = okta.provision(target(client), okta.Plan(users=24, groups=4, cycles=3, seed=5, mode=mode))

    assert (report.failures, report.differences) == ((), ())
    assert report.checked["users"] > 24
    assert report.checked["memberships"] > 20
    again = {kind.name: dict(kind.statuses) for kind in report.kinds}.get("create user again", {})
    assert set(again) == ({201} if mode is Mode.WIZARD else set())


@pytest.mark.parametrize("mode", list(Mode))
def test_okta_takes_over_what_an_earlier_run_left(client: Client, mode: Mode) -> None:
    plan = okta.Plan(users=12, groups=3, cycles=3, seed=7, mode=mode)
    first = okta.provision(target(client), plan)

    report = okta.provision(target(client), plan)

    assert first.is_clean
    assert (report.failures, report.differences) == ((), ())
