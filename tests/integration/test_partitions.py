"""Partitions are made ahead, dropped when they are old, and kept while they have work to do."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, insert, text

from services.directory import ids, partitions, tables
from tests.factories import Tenant, write

NOW = datetime(2031, 5, 14, 12, tzinfo=UTC)


def maintain(connection: Connection, now: datetime, days: int = 30) -> list[str]:
    return partitions.maintain(
        connection, now, keep=dict.fromkeys(("operation", "history", "refused", "traffic"), days)
    )


def exist(connection: Connection, name: str) -> bool:
    return connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is not None


def test_the_coming_weeks_have_partitions(engine: Engine) -> None:
    with engine.connect() as connection:
        maintain(connection, NOW, days=100_000)

        assert exist(connection, "operation_20310512")
        assert exist(connection, "operation_20310609")
        assert all(exist(connection, f"{table}_20310609") for table in ("history", "refused", "traffic"))
        connection.rollback()


def test_old_partitions_are_dropped_as_a_whole(engine: Engine) -> None:
    with engine.connect() as connection:
        maintain(connection, NOW, days=100_000)

        dropped = maintain(connection, NOW + timedelta(days=60))

        assert {"history_20310505", "refused_20310505", "traffic_20310505"} <= set(dropped)
        assert not exist(connection, "history_20310505")
        connection.rollback()


def test_a_partition_with_pending_operations_stays(engine: Engine, tenant: Tenant) -> None:
    with engine.connect() as connection:
        maintain(connection, NOW, days=100_000)
        columns = tables.operation.c
        fields = {k: v for k, v in vars(write(tenant, id=ids.first_at(NOW))).items() if k in columns}
        waiting = {"seq": 1, "shard": 0, "position": 1, "accepted_at": NOW}
        connection.execute(insert(tables.operation).values(fields | waiting))

        dropped = maintain(connection, NOW + timedelta(days=60))

        assert "operation_20310505" in dropped
        assert "operation_20310512" not in dropped
        connection.rollback()
