"""Changes of membership add up, whatever their order."""

from uuid import uuid4

from services.directory.members import Change

A, B = uuid4(), uuid4()


def test_who_joins_and_leaves_again_did_neither() -> None:
    change = Change(added=frozenset({A, B})).then(Change(removed=frozenset({A})))

    assert change == Change(added=frozenset({B}))


def test_who_leaves_and_joins_again_did_neither() -> None:
    change = Change(removed=frozenset({A})).then(Change(added=frozenset({A, B})))

    assert change == Change(added=frozenset({B}))
    assert not Change(removed=frozenset({A})).then(Change(added=frozenset({A})))
