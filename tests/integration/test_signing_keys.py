"""The ring of signing keys: a key is published before it signs, and until what it signed has ended."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, text, update

from services.cli import main
from services.directory import database, keys, signing, signing_keys, tables
from services.directory.signing_keys import Ring
from shared.settings import Settings

MONTH = timedelta(days=30)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A transaction in which there is no ring yet, and of which nothing is left."""
    with engine.connect() as opened:
        opened.execute(text("DELETE FROM signing_key"))
        opened.execute(text("DELETE FROM shared_key WHERE name = 'events'"))
        yield opened
        opened.rollback()


def kids(connection: Connection) -> list[str]:
    return [key.kid for key in signing_keys.published(connection)]


def age(connection: Connection, days: float) -> None:
    """Let days pass: everything that is there was so much earlier."""
    for name in ("created_at", "signs_from", "ends_at"):
        column = tables.signing_key.c[name]
        connection.execute(update(tables.signing_key).values({name: column - timedelta(days=days)}))


def test_the_first_key_is_the_one_that_older_releases_sign_with(connection: Connection) -> None:
    before = signing_keys._make()
    keys.shared(connection, signing_keys.FIRST, lambda: signing_keys._dumped(before))

    signer = signing_keys.signer(connection)

    assert signer.as_dict(private=True) == before.as_dict(private=True)
    assert kids(connection) == [signer.kid]
    assert signing_keys.signer(connection).kid == signer.kid


def test_a_new_key_is_published_before_it_signs(connection: Connection) -> None:
    old = signing_keys.signer(connection).kid

    new = signing_keys.rotate(connection)

    assert kids(connection) == [old, new.kid]
    assert signing_keys.signer(connection).kid == old
    age(connection, 0.1)
    assert signing_keys.signer(connection).kid == new.kid
    assert [key["kid"] for key in signing.public_keys(connection)["keys"]] == [old, new.kid]


def test_an_old_key_verifies_until_the_longest_token_that_it_signed_has_ended(connection: Connection) -> None:
    old = signing_keys.signer(connection).kid
    new = signing_keys.rotate(connection)

    [kept] = [key for key in signing_keys.published(connection) if key.kid == old]
    age(connection, 1)
    still = kids(connection)
    age(connection, 0.1)

    assert kept.ends_at is not None
    assert kept.ends_at - new.signs_from == signing_keys.LONGEST_TOKEN + timedelta(minutes=5)
    assert (still, kids(connection)) == ([old, new.kid], [new.kid])


def test_maintenance_replaces_an_old_key_once_and_drops_what_has_ended(connection: Connection) -> None:
    signing_keys.signer(connection)
    assert signing_keys.maintain(connection, MONTH) == []
    age(connection, 31)

    [made] = signing_keys.maintain(connection, MONTH)

    assert signing_keys.maintain(connection, MONTH) == []
    age(connection, 2)
    assert signing_keys.maintain(connection, MONTH) == []
    assert connection.scalars(text("SELECT kid FROM signing_key")).all() == [made]
    assert connection.scalar(text("SELECT count(*) FROM shared_key WHERE name = 'events'")) == 0


def test_a_revoked_key_is_gone_at_once_and_another_one_signs(connection: Connection) -> None:
    leaked = signing_keys.signer(connection).kid
    assert leaked is not None
    signing_keys.rotate(connection)

    signing_keys.revoke(connection, leaked)

    signer = signing_keys.signer(connection).kid
    assert leaked not in kids(connection)
    assert signer in kids(connection)
    age(connection, 0.1)
    assert signing_keys.signer(connection).kid == signer
    with pytest.raises(signing_keys.SigningKeyError, match="no such key"):
        signing_keys.revoke(connection, leaked)


def test_a_process_finds_a_key_that_was_made_just_now_and_looks_once_for_a_made_up_one(engine: Engine) -> None:
    ring = Ring(engine, seconds=1000)
    with database.transaction(engine) as transaction:
        first = signing_keys.signer(transaction).kid or ""
    assert ring.find(first) is not None

    with database.transaction(engine) as transaction:
        made = signing_keys.rotate(transaction, timedelta())

    assert not ring.knows(made.kid)
    assert ring.find(made.kid) is not None
    assert ring.find("made up") is None
    assert ring.knows(first)


def test_an_operator_sees_and_changes_the_keys(engine: Engine, servers: Settings) -> None:
    environ = {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}
    with database.transaction(engine) as connection:
        old = signing_keys.signer(connection).kid or ""

    def muster(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["keys", *arguments], env=environ)
        assert result.exit_code == 0, result.output
        return result.output

    muster("rotate", "--ahead", "2d")
    listed = {line.split()[0]: line for line in muster("list").splitlines()[1:]}
    muster("revoke", old)

    assert " signs " in listed[old]
    assert any("will sign" in line for line in listed.values())
    assert old not in muster("list")
    assert datetime.now(UTC).strftime("%Y") in listed[old]
