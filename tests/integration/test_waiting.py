"""The listener of a process, with a real Valkey and a real key: outcomes get through, and nothing else does."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine

from services.directory import announcing, ids
from services.directory.announcing import Announcer
from services.directory.keys import SharedKey
from services.gateway import waiting
from services.gateway.waiting import Listener, Rung, Waiters
from services.stack import children
from shared import metrics, outcomes, queue
from shared.outcomes import Outcome, Reply
from shared.settings import Settings

PATIENCE = 60.0
Counted = Callable[[metrics.Counter, str], int]


@pytest.fixture
def redis(servers: Settings) -> Redis:
    return queue.redis_client(servers)


@pytest.fixture
def key(engine: Engine) -> SharedKey:
    return SharedKey(engine, announcing.SEAL)


@pytest.fixture
def waiters() -> Waiters:
    return Waiters()


@pytest.fixture
def channel() -> str:
    return f"outcomes:{ids.new()}"


@pytest.fixture
def listener(redis: Redis, channel: str, waiters: Waiters, key: SharedKey) -> Iterator[Listener]:
    running = Listener(redis, channel, waiters, key)
    running.start()
    assert running.is_listening.wait(PATIENCE)
    yield running
    running.stop()
    running.join()


@pytest.fixture
def counted() -> Iterator[Counted]:
    """Return how often something was counted since the test began."""
    before = metrics.BOOK.take()
    seen: dict[tuple[str, str], int] = {}

    def look(counter: metrics.Counter, value: str = "") -> int:
        for key, times in metrics.BOOK.take().items():
            seen[key] = seen.get(key, 0) + times
        return seen.get((counter.name, value), 0)

    yield look
    metrics.BOOK.give_back(before)


def made(status: int = 200) -> Outcome:
    return Outcome(operation_id=ids.new(), status=status, resource={"id": "x"})


def test_an_outcome_reaches_who_waits_for_it_and_nobody_else(
    listener: Listener, redis: Redis, channel: str, waiters: Waiters, key: SharedKey
) -> None:
    mine, other = made(), made()

    with waiters.register(mine.operation_id) as waiter, waiters.register(other.operation_id) as waiting_on:
        Announcer(redis=redis, key=key).announce([Reply(channel=channel, outcome=mine)])
        assert waiter.wait(PATIENCE)

        assert (waiter.outcome, waiter.rung) == (mine, Rung.MESSAGE)
        assert not waiting_on.is_told
    assert len(waiters) == 0


def test_a_waiter_is_gone_however_its_request_ends(waiters: Waiters) -> None:
    with pytest.raises(ZeroDivisionError), waiters.register(ids.new()):
        raise ZeroDivisionError

    assert len(waiters) == 0


def test_a_forged_outcome_tells_nobody_anything(
    listener: Listener, redis: Redis, channel: str, waiters: Waiters, key: SharedKey, counted: Counted
) -> None:
    waited_for, true = made(), made(201)
    genuine = outcomes.encode(key.value(), true)
    forged = [
        b"",
        b"\xff" * 100,
        genuine[outcomes.SEAL_BYTES :].replace(str(true.operation_id).encode(), str(waited_for.operation_id).encode()),
        outcomes.encode(b"guessed" * 5, waited_for),
        genuine.replace(str(true.operation_id).encode(), str(waited_for.operation_id).encode()),
        genuine.replace(b"201", b"204"),
        b"x" * 900_000,
    ]

    with waiters.register(waited_for.operation_id) as waiter, waiters.register(true.operation_id) as last:
        for message in forged:
            redis.publish(channel, message)
        redis.publish(channel, genuine)
        assert last.wait(PATIENCE)

        assert (last.outcome, waiter.is_told) == (true, False)
    assert counted(metrics.FORGED, "seal") == len(forged) - 1
    assert counted(metrics.FORGED, "size") == 1


def test_a_late_a_second_and_an_unknown_outcome_are_counted(
    listener: Listener, redis: Redis, channel: str, waiters: Waiters, key: SharedKey, counted: Counted
) -> None:
    announcer, first, last = Announcer(redis=redis, key=key), made(), made()
    with waiters.register(first.operation_id) as waiter:
        announcer.announce([Reply(channel=channel, outcome=first)])
        assert waiter.wait(PATIENCE)

    with waiters.register(last.operation_id) as waiter:
        announcer.announce([Reply(channel=channel, outcome=each) for each in (first, made(), last)])
        assert waiter.wait(PATIENCE)

    assert counted(metrics.LATE, "") == 2


def test_a_flood_of_garbage_leaves_turns_to_others(
    listener: Listener, redis: Redis, channel: str, waiters: Waiters, key: SharedKey, counted: Counted
) -> None:
    outcome, messages = made(), 20_000

    def flood() -> None:
        for _ in range(messages // 1000):
            with redis.pipeline(transaction=False) as pipeline:
                for _ in range(1000):
                    pipeline.publish(channel, b"garbage" * 20)
                pipeline.execute()

    with waiters.register(outcome.operation_id) as waiter:
        flooding = threading.Thread(target=flood)
        flooding.start()
        Announcer(redis=redis, key=key).announce([Reply(channel=channel, outcome=outcome)])
        assert waiter.wait(PATIENCE)
        flooding.join()

    assert waiter.outcome == outcome
    # All of it, unless the machine was so busy that the channel was given up meanwhile.
    assert children.until(lambda: counted(metrics.FORGED, "seal") > 10 * waiting.BURST, PATIENCE)


CONFIRMATION = b"*3\r\n$9\r\nsubscribe\r\n$10\r\noutcomes:x\r\n:1\r\n"


@pytest.mark.parametrize("said", [b"", CONFIRMATION], ids=["from the beginning", "later"])
def test_a_server_that_falls_silent_is_given_up_for_another_connection(
    waiters: Waiters, key: SharedKey, monkeypatch: pytest.MonkeyPatch, counted: Counted, said: bytes
) -> None:
    """It goes on taking connections and bytes, as one that froze does."""
    monkeypatch.setattr(waiting, "PING_SECONDS", 0.2)
    monkeypatch.setattr(waiting, "PONG_SECONDS", 0.2)
    monkeypatch.setattr(waiting, "TICK_SECONDS", 0.1)
    connected = threading.Semaphore(0)
    held: list[socket.socket] = []

    def take(silent: socket.socket) -> None:
        while True:
            try:
                held.append(silent.accept()[0])
            except OSError:
                return
            held[-1].sendall(said)
            connected.release()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        taking = threading.Thread(target=take, args=(silent,))
        taking.start()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        # As ours are: one that tries again by itself would connect anew without a word.
        retry = Retry(NoBackoff(), 0)
        redis = Redis.from_url(url, socket_timeout=1, protocol=2, driver_info=None, retry=retry)
        listener = Listener(redis, "outcomes:x", waiters, key)
        listener.start()
        assert all(connected.acquire(timeout=PATIENCE) for _ in range(3))
        listener.stop()
        listener.join()
        silent.shutdown(socket.SHUT_RDWR)
        taking.join()
    for connection in held:
        connection.close()

    assert counted(metrics.CHANNEL_LOST, "") >= 1


def test_a_connection_that_is_cut_is_made_anew(
    listener: Listener, redis: Redis, channel: str, waiters: Waiters, key: SharedKey
) -> None:
    announcer, outcome = Announcer(redis=redis, key=key), made()

    redis.client_kill_filter(_type="pubsub")

    def gets_through() -> bool:
        announcer.announce([Reply(channel=channel, outcome=outcome)])
        return waiter.wait(0.1)

    with waiters.register(outcome.operation_id) as waiter:
        assert children.until(gets_through, PATIENCE)


def test_the_servers_that_we_start_take_no_huge_message(redis: Redis, channel: str) -> None:
    with pytest.raises(RedisError):
        redis.publish(channel, b"x" * 2_000_000)
