"""Look for what is wrong with an installation, and say for each what to do about it.

Each check stands alone: one that cannot be made, because a server is away, is left to the check that says so.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from redis import Redis, RedisError
from sqlalchemy import URL, Connection, Engine, func, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, journal, migrating, operations, partitions, row_security, tokens
from services.directory.operations import Wanted
from services.directory.tokens import Token
from shared import queue, weak_secrets
from shared.settings import PREFIX, Settings

CLOCKS_SECONDS = 2.0
"""Clocks that differ by more make times in the journal and in logs contradict each other."""

WAITING_SECONDS = 60.0
SOON_DAYS = 14


class Level(StrEnum):
    """How bad it is; only what is wrong must be mended now."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found, and what to do."""

    check: str
    level: Level
    says: str
    do: str | None = None


def wrong(check: str, says: str, do: str) -> Finding:
    """Return a finding that somebody must do something about."""
    return Finding(check=check, level=Level.WRONG, says=says, do=do)


def fine(check: str, says: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check=check, level=Level.OK, says=says)


def of_settings(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check the secrets among the settings, and where the servers listen."""
    weak = [
        wrong("secrets", f"{name} {said}", f"choose a long random one, as from: openssl rand -hex 24; set it as {name}")
        for name, secret in _secrets(settings, environ).items()
        if (said := weak_secrets.weakness(secret)) is not None
    ]
    yield from weak or [fine("secrets", "none that is needed is missing or weak")]
    public = urlsplit(settings.public_url)
    if public.scheme == "http" and not _is_here(public.hostname or ""):
        yield Finding(
            check="public url",
            level=Level.WARNING,
            says="resources are told to be at an http address, where tokens could be read on the way",
            do=f"let a proxy speak TLS, and set {PREFIX}PUBLIC_URL to its https address",
        )


def of_database(engine: Engine) -> Iterator[Finding]:
    """Check the database, its schema, its clock, and what is kept there."""
    try:
        with database.across(engine) as connection:
            yield _clock("database", lambda: _database_time(connection))
            if not migrating.is_current(connection):
                yield wrong("schema", "migrations are missing", "muster migrate")
                return
            yield fine("schema", "is up to date")
            for check in (_second_wall, _partitions, _tokens, _dead, _waiting):
                yield from check(connection)
    except SQLAlchemyError as error:
        says = f"it cannot be asked: {type(error).__name__}"
        yield wrong("database", says, f"start PostgreSQL, and look at {PREFIX}DATABASE_URL and the log of the server")


def of_broker(redis: Redis, settings: Settings) -> Iterator[Finding]:
    """Check the broker, its clock, and who has told lately that it is at work."""
    try:
        yield _clock("broker", partial(_redis_time, redis))
        if not queue.has_worker(redis):
            yield wrong("worker", "none was heard of in the last seconds", "start one: muster worker")
            yield Finding(check="beat", level=Level.WARNING, says="is not known without a worker")
            return
        yield fine("worker", "is at work")
        if queue.has_beat(redis):
            yield fine("beat", "rings")
        else:
            says = f"nobody has swept for {queue.beat_seconds(settings):.0f} s"
            yield wrong("beat", says, "start it: muster beat; until then nothing finds work whose wake was lost")
    except RedisError as error:
        do = f"start Redis, and look at {PREFIX}BROKER_URL and {PREFIX}BROKER_PASSWORD; until then writes are slow"
        yield wrong("broker", f"it cannot be asked: {type(error).__name__}", do)


def _secrets(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the secrets that are needed, or are there, by the name of the variable that sets them."""
    found = {}
    if settings.database_url:
        url = make_url(settings.database_url)
        if not _is_socket(url) and not environ.get("PGPASSFILE"):
            found[f"the password in {PREFIX}DATABASE_URL"] = url.password or environ.get("PGPASSWORD", "")
    broker = urlsplit(settings.broker_url)
    if broker.scheme in {"redis", "rediss"}:
        found[f"{PREFIX}BROKER_PASSWORD"] = settings.broker_password or broker.password or ""
    if settings.flower_basic_auth:  # Without, Flower listens on loopback or not at all.
        found[f"the password in {PREFIX}FLOWER_BASIC_AUTH"] = settings.flower_basic_auth.partition(":")[2]
    if settings.metrics_token:
        found[f"{PREFIX}METRICS_TOKEN"] = settings.metrics_token
    return found


def _is_socket(url: URL) -> bool:
    host = url.host or url.query.get("host") or ""
    return str(host).startswith("/")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _clock(check: str, ask: Callable[[], float]) -> Finding:
    """Compare a server's clock with this machine's; the answer may be as old as the question was long."""
    asked = datetime.now(UTC).timestamp()
    told = ask()
    answered = datetime.now(UTC).timestamp()
    apart = max(asked - told, told - answered, 0.0)
    if apart <= CLOCKS_SECONDS:
        return fine(check, "answers, and its clock is this machine's")
    says = f"its clock and this machine's are {apart:.0f} s apart"
    return wrong(check, says, "let all machines keep time with NTP: timedatectl set-ntp true")


def _database_time(connection: Connection) -> float:
    moment: datetime = connection.scalars(select(func.clock_timestamp())).one()
    return moment.timestamp()


def _redis_time(redis: Redis) -> float:
    seconds, microseconds = redis.time()
    return float(seconds) + float(microseconds) / 1_000_000


def _partitions(connection: Connection) -> Iterator[Finding]:
    missing = partitions.missing(connection, datetime.now(UTC))
    if missing:
        yield wrong("partitions", f"not made: {', '.join(missing)}", "muster migrate; and see that beat and worker run")
    else:
        yield fine("partitions", "those of the next week are there")


def _second_wall(connection: Connection) -> Iterator[Finding]:
    flaws = list(row_security.flaws(connection))
    for flaw in flaws:
        level = Level.WRONG if flaw.lets_through else Level.WARNING
        yield Finding(check="second wall", level=level, says=flaw.says, do=flaw.do)
    strong = None if _is_socket(connection.engine.url) else row_security.strong_login(connection)
    if strong is not None:
        says = f"the processes log in as {strong}, who can pass row-level security, and step down from it"
        do = f"give {PREFIX}DATABASE_URL a role of its own, and {PREFIX}OWNER_DATABASE_URL this one: docs/operations.md"
        yield Finding(check="second wall", level=Level.WARNING, says=says, do=do)
    elif not flaws:
        yield fine("second wall", "PostgreSQL keeps the rows of tenants apart, for roles that cannot pass it")


def _tokens(connection: Connection) -> Iterator[Finding]:
    now = datetime.now(UTC)
    used = [t for t in tokens.every(connection) if t.expires_at and not t.revoked_at and not t.replaced_by]
    expired = [token for token in used if token.state(now) == "expired"]
    soon = [token for token in used if token not in expired and _days_left(token, now) < SOON_DAYS]
    for token in expired:
        do = f"muster token rotate {token.id} if it is needed, muster token revoke {token.id} if not"
        yield wrong("tokens", f"{token.name!r} of {token.tenant} has expired", do)
    for token in soon:
        yield Finding(
            check="tokens",
            level=Level.WARNING,
            says=f"{token.name!r} of {token.tenant} ends within {SOON_DAYS} days",
            do=f"muster token rotate {token.id}",
        )
    if not expired and not soon:
        yield fine("tokens", "none has expired, none ends soon")


def _days_left(token: Token, now: datetime) -> int:
    assert token.expires_at is not None, "it was chosen because it ends"
    return (token.expires_at - now).days


def _dead(connection: Connection) -> Iterator[Finding]:
    found = operations.oldest_ids(connection, Wanted(is_undecided=True), limit=None)
    if found:
        yield wrong("dead operations", f"{len(found)} wait for a decision", "muster operations list --dead")
    else:
        yield fine("dead operations", "there are none")


def _waiting(connection: Connection) -> Iterator[Finding]:
    shards = journal.waiting_shards(connection, WAITING_SECONDS)
    if shards:
        says = f"some wait for more than {WAITING_SECONDS:.0f} s, in {len(shards)} shards"
        yield wrong("waiting operations", says, "muster operations backlog; start more workers")
    else:
        yield fine("waiting operations", f"none waits for more than {WAITING_SECONDS:.0f} s")
