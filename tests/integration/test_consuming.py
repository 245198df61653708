"""What the worker's main process does beside handing out wakes: little, and not for each of them."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import connection as kombu_connection
from kombu.asynchronous import hub as kombu_hub

from services.worker import consuming, distrust
from shared.settings import Settings

# Untyped classes of theirs.
_Connection: Any = kombu_connection.Connection
_Hub: Any = kombu_hub.Hub


def test_single_commands_go_through_one_client_for_as_long_as_its_pool_lives(servers: Settings) -> None:
    own = replace(servers, broker_url=servers.broker_url.replace("virtual_host=0", "virtual_host=7"))
    with _Connection(own.broker_url) as connection:
        channel = distrust.Channel(connection.transport.create_channel(connection.transport).connection)

        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first.ping()
        channel._pool = None
        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.ping()
        channel.close()


def test_events_wait_for_others_and_are_told_once() -> None:
    told: list[str] = []
    consumer: Any = object.__new__(consuming.Consumer)
    consumer.hub, consumer.event_dispatcher = _Hub(), SimpleNamespace(flush=lambda: told.append("told"))

    for _ in range(5):
        consumer.on_send_event_buffered()

    [due] = consumer.hub.timer.queue
    assert told == []
    due.entry()
    assert told == ["told"]


def test_events_are_told_after_a_lost_connection_forgot_to(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer: Any = object.__new__(consuming.Consumer)
    consumer.hub = _Hub()
    consumer.on_send_event_buffered()
    consumer.hub.timer.clear()
    later = time.monotonic() + consuming.TELL_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)

    consumer.on_send_event_buffered()

    assert len(consumer.hub.timer.queue) == 1
