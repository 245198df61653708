"""How long a connection waited to be accepted with a request in it."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from shared import arrivals

WAITED_SECONDS = 0.2


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_what_was_sent_before_somebody_accepted_has_waited(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        time.sleep(WAITED_SECONDS)
        accepted, _ = listener.accept()

        with closing(accepted):
            # The kernel's clock has coarse ticks.
            assert arrivals.waiting_seconds(accepted) > WAITED_SECONDS / 2


def test_a_connection_without_a_request_in_it_has_not(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()):
        time.sleep(WAITED_SECONDS)
        accepted, _ = listener.accept()

        with closing(accepted):
            assert arrivals.waiting_seconds(accepted) == 0


def test_what_is_no_socket_of_tcp_tells_nothing() -> None:
    one, other = socket.socketpair()

    with one, other:
        other.sendall(b"GET / HTTP/1.1\r\n")

        assert arrivals.waiting_seconds(one) == 0
