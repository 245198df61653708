"""Live pages of a process share one listener and each part, and hear of news wherever it comes from."""

from collections.abc import Iterator
from itertools import count
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.directory import database, ids, live
from services.directory.portal import feed
from services.directory.portal.feed import Feed, FullError

PATIENCE = 600.0
LISTENERS = text("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND application_name = 'muster-feed'")


@pytest.fixture
def own(engine: Engine) -> Iterator[Feed]:
    """A feed with a pool of its own."""
    pool = database.connect(engine.url.render_as_string(hide_password=False), process="feed")
    made = Feed(pool)
    yield made
    made.leave()
    pool.dispose()


@pytest.fixture
def tenant_id() -> UUID:
    return ids.new()


def tell(engine: Engine, tenant_id: UUID) -> None:
    with database.transaction(engine) as connection:
        live.notify(connection, [tenant_id])


def listening(own: Feed, tenant_id: UUID) -> int:
    """Wait until the listener is there, and return the news by then."""
    own.wait(tenant_id, 0, PATIENCE)
    return own.news(tenant_id)


def test_a_page_hears_of_news_at_once(own: Feed, engine: Engine, tenant_id: UUID) -> None:
    with own.open(tenant_id, "session", "part"):
        known = listening(own, tenant_id)
        tell(engine, tenant_id)
        own.wait(tenant_id, known, PATIENCE)

        assert own.news(tenant_id) == known + 1


def test_news_of_others_wakes_nobody(own: Feed, engine: Engine, tenant_id: UUID) -> None:
    other = ids.new()
    with own.open(tenant_id, "session", "part"), own.open(other, "session", "other part"):
        known = listening(own, tenant_id), listening(own, other)
        tell(engine, other)
        own.wait(other, known[1], PATIENCE)

        assert (own.news(tenant_id), own.news(other)) == (known[0], known[1] + 1)


def test_a_lost_connection_is_made_anew_and_everybody_looks_again(own: Feed, engine: Engine, tenant_id: UUID) -> None:
    with own.open(tenant_id, "session", "part"):
        known = listening(own, tenant_id)
        with database.transaction(engine) as connection:
            ended = connection.scalars(LISTENERS).all()
            for pid in ended:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        own.wait(tenant_id, known, PATIENCE)

        assert ended, "somebody listened"
        assert own.news(tenant_id) == known + 1


def test_a_part_is_made_once_until_there_is_news(own: Feed, engine: Engine, tenant_id: UUID) -> None:
    numbers = count(1)

    def look() -> str:
        return own.look(tenant_id, "part", PATIENCE, lambda: f"made {next(numbers)}").content

    with own.open(tenant_id, "session", "part"):
        known = listening(own, tenant_id)
        before = [look(), look()]
        tell(engine, tenant_id)
        own.wait(tenant_id, known, PATIENCE)
        after = look()
        is_old = own.look(tenant_id, "part", 0.0, lambda: "made anew").content

    assert (before, after, is_old) == (["made 1", "made 1"], "made 2", "made anew")


def test_one_session_cannot_take_every_place(own: Feed, tenant_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_OF_ONE", 1)
    monkeypatch.setattr(feed, "MOST_PAGES", 2)
    with own.open(tenant_id, "one", "part"), own.open(tenant_id, "another", "part"):
        for session in ("one", "a third"):
            with pytest.raises(FullError), own.open(tenant_id, session, "part"):
                pass
    with own.open(tenant_id, "one", "part"):
        assert own.news(tenant_id) >= 0


def test_whoever_leaves_lets_every_page_end(own: Feed, tenant_id: UUID) -> None:
    with own.open(tenant_id, "session", "part"):
        known = listening(own, tenant_id)
        own.leave()
        own.wait(tenant_id, known, PATIENCE)

        assert own.is_leaving
