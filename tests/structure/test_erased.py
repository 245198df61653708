"""Of each table it is decided what an erasure does about it."""

from services.directory import erasing, every_table

ERASED = {"employee", "history", "operation", "unanswered", "idempotency_key", "token", "audit", "refused"} | {
    "admin",
    "portal_session",
    "sign_in_link",
    "region_rules",
}
"""The values of a person are blanked, or the rows removed (services/directory/erasing.py)."""

IDS_ALONE = {"lane", "membership", "shard", "unsealed", "sign_in_attempt"}
NOBODYS = {
    "tenant",
    "extension",
    "region",
    "role",
    "counter",
    "tolerance_use",
    "shared_key",
    "client",
    "signing_key",
    "role_permission",
    "used_assertion",
    # Counts, and names of attributes.
    *("traffic", "milestone", "sighting"),
}


def test_every_table_is_erased_or_has_nothing_of_a_person() -> None:
    known = {table.name for table in every_table.EVERY}

    assert sorted(known) == sorted(ERASED | IDS_ALONE | NOBODYS)


def test_people_are_called_by_what_the_registry_looks_up() -> None:
    assert {column.name for column in erasing._NAMES} == {"user_name", "external_id", "display_name"}
