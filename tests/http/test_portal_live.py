"""What a page shows is sent to it when it changes, by server-sent events: to those who may see it, while they may."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, delete

from services.directory import database, portal_tables
from services.directory.permissions import Permission
from services.directory.portal import feed
from shared.settings import Settings
from tests import conftest, poison, stacks
from tests.browsing import Browser, Event, signed_in, streamed
from tests.factories import Client, person, write

OPERATIONS = "/provisioning/operations"


@pytest.fixture
def admin(stack: Settings, stack_engine: Engine, client: Client) -> Iterator[Browser]:
    """The browser of an admin who may manage provisioning, and no more."""
    with signed_in(stack, stack_engine, client.tenant, frozenset({Permission.PROVISIONING})) as browser:
        yield browser


def strip(client: Client) -> str:
    return f"/provisioning/connections/{client.tenant.principal.token_id}/progress"


def until(events: Iterator[Event], words: str) -> Event:
    return next(event for event in events if words in event.data)


def test_a_strip_is_sent_when_a_step_is_reached(admin: Browser, client: Client) -> None:
    with streamed(admin, f"{strip(client)}/live") as (response, events):
        first = next(events)
        client.create_user()
        then = until(events, 'class="has"')

    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert (first.name, first.data.count('class="has-not"')) == ("part", 5)
    assert "First user" in then.data.partition('class="has"')[2].partition("</li>")[0]
    assert then.id != first.id


def test_what_is_sent_is_what_is_asked_for(admin: Browser, client: Client) -> None:
    with streamed(admin, f"{strip(client)}/live") as (_, events):
        sent = next(events)

    assert sent.data.split() == admin.get(strip(client)).text.split()


def test_a_page_that_comes_back_is_sent_only_what_is_new(admin: Browser, client: Client) -> None:
    with streamed(admin, f"{strip(client)}/live") as (_, events):
        had = next(events)

    with streamed(admin, f"{strip(client)}/live", had.id) as (_, events):
        client.create_user()
        new = next(events)

    assert 'class="has"' in new.data


def test_every_page_of_a_connection_is_sent_the_same(admin: Browser, client: Client) -> None:
    with ExitStack() as pages:
        streams = [pages.enter_context(streamed(admin, f"{strip(client)}/live"))[1] for _ in range(5)]
        firsts = {next(events).id for events in streams}
        client.create_user()
        thens = {until(events, 'class="has"').id for events in streams}

    assert (len(firsts), len(thens)) == (1, 1)


def test_another_tenants_requests_are_not_told(admin: Browser, client: Client, stranger: Client) -> None:
    with streamed(admin, f"{strip(client)}/live") as (_, events):
        next(events)
        stranger.create_user()
        client.create_group()
        then = next(events)

    assert "First group" in then.data.partition('class="has"')[2].partition("</li>")[0]
    assert then.data.count('class="has"') == 1


def test_operations_tell_of_what_died_without_a_request(admin: Browser, client: Client, stack_engine: Engine) -> None:
    with streamed(admin, f"{OPERATIONS}/live") as (_, events):
        assert "Nothing was given up" in next(events).data
        doomed = write(client.tenant, request=person(title=poison.MARK))
        poison.die(stack_engine, doomed)

        assert str(doomed.id) in until(events, "They failed again and again").data


def test_a_stream_ends_with_its_session(admin: Browser, client: Client, stack_engine: Engine) -> None:
    table = portal_tables.portal_session
    with streamed(admin, f"{strip(client)}/live") as (_, events):
        next(events)
        with database.transaction(stack_engine) as connection:
            connection.execute(delete(table).where(table.c.tenant_id == client.tenant.principal.tenant_id))

        assert [event.name for event in events] == ["over"]
    assert admin.get(f"{strip(client)}/live").headers["Location"].startswith("/sign-in")


def test_a_portal_that_is_replaced_ends_its_streams_and_the_next_one_goes_on(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with stacks.lean(tmp_path_factory.mktemp("live"), conftest.environment(), "portal") as own:
        engine = database.connect(own.settings.database_url, process="test")
        tenant = conftest.make_tenant(engine)
        with (
            Client(own.settings.public_url, tenant) as provider,
            signed_in(own.settings, engine, tenant, frozenset({Permission.PROVISIONING})) as browser,
        ):
            with streamed(browser, f"{strip(provider)}/live") as (_, events):
                had = next(events)
                own.restart("portal")
                left = list(events)
            with streamed(browser, f"{strip(provider)}/live", had.id) as (_, events):
                provider.create_user()
                new = next(events)
        engine.dispose()

    assert left == []
    assert 'class="has"' in new.data


def test_a_session_has_so_many_pages_and_each_that_ends_makes_place(
    admin: Browser, client: Client, stack: Settings, stack_engine: Engine
) -> None:
    with ExitStack() as pages:
        opened = [pages.enter_context(streamed(admin, f"{strip(client)}/live")) for _ in range(feed.MOST_OF_ONE)]
        refused = admin.get(f"{strip(client)}/live")
        with signed_in(stack, stack_engine, client.tenant) as another:
            other = pages.enter_context(streamed(another, f"{strip(client)}/live"))[0].status_code

    assert {response.status_code for response, _ in opened} == {200}
    assert (refused.status_code, refused.headers["Retry-After"], other) == (503, "60", 200)
    assert admin.get(strip(client)).status_code == 200
