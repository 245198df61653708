"""Hashing passwords stalls nobody, and what is to be written down has none in it."""

from dataclasses import replace

import gevent
import pytest
from sqlalchemy import Engine

from services.directory import passwords
from services.directory.journal import Write
from services.directory.keys import SharedKey
from services.gateway.hashing import Hasher
from shared.scim import plaintext
from shared.scim.errors import UnavailableError
from shared.scim.plaintext import Plaintext
from tests.factories import Tenant, write


@pytest.fixture
def hasher(engine: Engine) -> Hasher:
    return Hasher(SharedKey(engine, passwords.SALTS))


def with_password(tenant: Tenant) -> Write:
    return write(tenant, request={"userName": "ada", "password": Plaintext("correct horse")})


def test_others_go_on_while_a_password_is_hashed(hasher: Hasher, tenant: Tenant) -> None:
    turns = 0
    hashing = gevent.spawn(hasher.hashed, with_password(tenant))

    while not hashing.ready():
        gevent.sleep(0)
        turns += 1

    assert turns > 1
    assert not plaintext.is_in(hashing.get().request)


def test_the_hash_goes_with_the_rest_of_the_write(hasher: Hasher, tenant: Tenant) -> None:
    first = with_password(tenant)
    again = replace(with_password(tenant), lane=first.lane)
    other = replace(first, request=first.request | {"userName": "bob"})

    hashes = [hasher.hashed(each).request["password"] for each in (first, again, other)]

    assert hashes[0] == hashes[1]
    assert hashes[0].split("$")[-2:] != hashes[2].split("$")[-2:]


def test_a_write_without_a_password_is_left_as_it_is(hasher: Hasher, tenant: Tenant) -> None:
    plain = write(tenant)

    assert hasher.hashed(plain) is plain


def test_what_cannot_be_hashed_in_time_is_not_applied(hasher: Hasher, tenant: Tenant) -> None:
    with pytest.raises(UnavailableError):
        hasher.all_hashed([with_password(tenant)], deadline=0.0)
