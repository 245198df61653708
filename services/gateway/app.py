"""Put the gateway together: one Flask application with everything it needs, and the order of a request."""

import logging
import math
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from flask import Blueprint, Flask, Response, g, request
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from services.directory import announcing, database, passwords, tenancy
from services.directory.addresses import PlainAddresses
from services.directory.announcing import Announcer
from services.directory.catalogues import Catalogues
from services.directory.counters import CounterWriter
from services.directory.keys import SharedKey
from services.directory.presence import Presence
from services.directory.tokens import Principal, Scope
from services.directory.wary import WaryDrainer
from services.gateway import (
    async_results,
    bulk,
    discovery,
    docs,
    errors,
    exposition,
    health,
    identity,
    me,
    permissions,
    problems,
    requests,
    responses,
    surface,
)
from services.gateway.accepting import Accepter
from services.gateway.admin_tokens import AdminTokens
from services.gateway.admission import Admission
from services.gateway.answering import Answers
from services.gateway.async_results import AsyncResults
from services.gateway.auth import Authenticator
from services.gateway.bell import Bell
from services.gateway.bulk import Bulk
from services.gateway.bulk_async import BulkFollower
from services.gateway.delivering import Delivery
from services.gateway.flushing import TokenUses, ToleranceCounter
from services.gateway.guard import GuardedWSGI
from services.gateway.hashing import Hasher
from services.gateway.identity import Gate
from services.gateway.limits import LimitedFlask
from services.gateway.observing import Observer
from services.gateway.outside import GuardedDrainer
from services.gateway.recording import Recorder
from services.gateway.repeating import Repeats
from services.gateway.resources import Resources
from services.gateway.ringing import Ringer
from services.gateway.searching import Searching
from services.gateway.sharing import Sharing
from services.gateway.turnstile import Turnstile
from services.gateway.waiting import Listener, Waiters
from services.gateway.writes import Writes
from services.gateway.writing import Turns, Writer
from shared import metrics, queue
from shared.arrivals import WAITED
from shared.scim.resource_types import Catalogue
from shared.settings import Settings

logger = logging.getLogger(__name__)

PREFIXES = (responses.PREFIX, "/scim/v2")
OPEN = frozenset(prefix + path for prefix in PREFIXES for path in (async_results.KEYS, docs.DOCUMENT))
"""What needs no token: the document tells of no tenant, and whoever verifies an event may be somebody else."""

POOL_SIZE = 20
STOP_SECONDS = 2.0
PATIENCE = "1s"
"""A request waits no longer than this for another's lock at once; its deadline is looked at in between."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, kw_only=True)
class Running:
    """What runs beside the requests of a process."""

    parts: Sequence[
        Accepter
        | Listener
        | ToleranceCounter
        | TokenUses
        | CounterWriter
        | Answers
        | Presence
        | Admission
        | Sharing
        | Recorder
        | Ringer
    ]
    engines: Sequence[Engine]

    def start(self) -> None:
        """Start all of it."""
        for part in self.parts:
            part.start()

    def stop(self) -> None:
        """Stop all of it after the last request, and wait until it has ended; nobody waits for anything then."""
        for part in self.parts:
            part.stop()
        for part in self.parts:
            part.join(STOP_SECONDS)
            if part.is_alive():
                logger.warning("part did not end", extra={"part": type(part).__name__})
        for engine in self.engines:
            engine.dispose()


def create(settings: Settings) -> Flask:
    """Return the application; its listener, its accepter and its counter run from now on."""
    connect = partial(database.connect, settings.database_url, process="gateway", lock_timeout=PATIENCE)
    engine = connect(pool_size=POOL_SIZE, role=tenancy.WORK)
    # Those who write at the same time are of several tenants, and share one statement.
    journal = connect(pool_size=1, role=tenancy.ACROSS)
    redis, celery = queue.redis_client(settings), queue.create(settings)
    channel, waiters, catalogues = f"outcomes:{uuid4()}", Waiters(), Catalogues()
    presence = Presence(database.connect(settings.database_url, process="gateway", pool_size=1, role=tenancy.WORK))
    answers = Answers(engine, presence.number)
    key = SharedKey(engine, announcing.SEAL)
    listener, accepter = Listener(redis, channel, waiters, key), Accepter(journal, settings.shards, presence.number)
    admission = Admission(engine, settings.admission_seconds)
    bell = Bell(celery=celery, redis=redis, announcer=Announcer(redis=redis, key=key), waiters=waiters)
    writer = Writer(
        engine=engine,
        accepter=accepter,
        waiters=waiters,
        drainer=GuardedDrainer(
            drainer=WaryDrainer(
                engine=engine,
                announce=bell.announce,
                max_starts=settings.max_starts,
                ring=bell.ring,
                catalogues=catalogues,
            )
        ),
        turns=Turns(POOL_SIZE // 4),
        admission=admission,
        hearing=bell.hearing,
        wake=bell.ring,
        wake_patiently=bell.ring_patiently,
        deadline_seconds=settings.deadline_seconds,
    )
    turnstile = Turnstile(settings.deadline_seconds, is_open=lambda: not bell.is_heard())
    uses = TokenUses(engine)
    gate = identity.create(settings, engine, uses)
    recorder = Recorder(engine)
    app = _flask(settings, gate, partial(catalogues.of_principal, engine), turnstile)
    app.after_request(Observer(recorder, PREFIXES).observe)
    app.wsgi_app = Delivery(app.wsgi_app, answers)  # type: ignore[method-assign]
    counter = ToleranceCounter(engine)
    repeats = Repeats(engine=engine, answers=answers)
    writes = Writes(
        writer=writer,
        channel=channel,
        counter=counter,
        repeats=repeats,
        turnstile=turnstile,
        hasher=Hasher(SharedKey(engine, passwords.SALTS)),
    )
    resources = Resources(settings=settings, engine=engine, writes=writes)
    searching = Searching(settings, engine, counter)
    follower = BulkFollower(writer=writer, shards=settings.shards)
    results = AsyncResults(settings=settings, engine=engine, writer=writer, follower=follower)
    document = surface.document(PREFIXES)
    many = Bulk(settings=settings, engine=engine, writes=writes, follower=follower)
    for prefix in PREFIXES:
        endpoints = (
            resources.blueprint(),
            me.blueprint(resources),
            many.blueprint(),
            results.blueprint(),
            searching.blueprint(),
            discovery.blueprint(settings),
            docs.under_prefix(document),
        )
        scim = _scim(endpoints, prefix)
        app.register_blueprint(scim, url_prefix=prefix)
    app.register_blueprint(health.blueprint(engine, redis, listener))
    app.register_blueprint(exposition.blueprint(engine, settings.metrics_token, gate.guard))
    app.register_blueprint(gate.oauth.blueprint())
    app.register_blueprint(AdminTokens(engine=engine).blueprint())
    app.register_blueprint(docs.at_root(PREFIXES[0] + docs.DOCUMENT))
    parts = (
        accepter,
        bell.ringer,
        listener,
        counter,
        uses,
        CounterWriter(engine, metrics.BOOK),
        answers,
        presence,
        admission,
        gate.sharing,
        recorder,
    )
    running = Running(parts=parts, engines=(engine, journal))
    running.start()
    app.extensions["running"] = running
    return app


def _flask(settings: Settings, gate: Gate, catalogue: Callable[[Principal], Catalogue], turnstile: Turnstile) -> Flask:
    app = LimitedFlask("muster", settings.deadline_seconds, static_folder=None)
    app.config.update(
        public_url=settings.public_url,
        header_seconds=settings.header_seconds,
        MAX_CONTENT_LENGTH=settings.max_body_bytes + 1,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.url_map.converters["resource_id"] = _ResourceId
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    # Only what our own proxies added is believed; whatever a client wrote itself comes before it.
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        PlainAddresses(GuardedWSGI(_OneSlash(app.wsgi_app), gate.guard)),
        x_for=settings.trusted_proxies,
        x_proto=0,
        x_host=0,
        x_port=0,
        x_prefix=0,
    )
    app.before_request(_begin)
    app.before_request(lambda: _authenticate(gate.authenticator, catalogue))
    gate.throttle.register(app)
    app.before_request(lambda: _take_turn(turnstile))
    app.after_request(_end)
    app.teardown_request(lambda _: _end_turn(turnstile))
    errors.register(app)
    return app


def _scim(endpoints: Iterable[Blueprint], prefix: str) -> Blueprint:
    """Return all endpoints under one prefix."""
    scim = Blueprint(prefix.strip("/").replace("/", "-"), __name__)
    for blueprint in endpoints:
        scim.register_blueprint(blueprint)
    return scim


def _authenticate(authenticator: Authenticator, catalogue: Callable[[Principal], Catalogue]) -> None:
    """Ask for a token, for SCIM and in the admin API, before anything tells a stranger which endpoints there are.

    Who sends the request says which resource types there are: a tenant may have declared extensions of its own.
    """
    if request.path.startswith(PREFIXES) and request.path not in OPEN:
        g.principal = authenticator.principal(request)
        permissions.check(g.principal, request, _below(request.path))
        g.catalogue = catalogue(g.principal)
    elif problems.is_wanted(request):
        g.principal = authenticator.principal(request)
        permissions.demand(g.principal, Scope.ADMIN)


def _below(path: str) -> str:
    """Return what follows the base URL."""
    return path.removeprefix(next(prefix for prefix in PREFIXES if path.startswith(prefix)))


def _take_turn(turnstile: Turnstile) -> None:
    """Wait until it is the tenant's turn, before a long body is read. The writes of a bulk request take theirs."""
    if "principal" in g and not request.path.endswith(bulk.ENDPOINT):
        enter = turnstile.enter_first if requests.may_take_access(request) else turnstile.enter
        g.turn = enter(g.principal.tenant_id, math.inf)


def _end_turn(turnstile: Turnstile) -> None:
    if "turn" in g:
        turnstile.leave(g.principal.tenant_id, g.turn)


def _begin() -> None:
    """Give the request its id: the caller's own, where it is a plain one."""
    given = request.headers.get("X-Request-ID") or request.headers.get("client-request-id") or ""
    g.request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid4())
    g.arrived = time.monotonic() - request.environ.get(WAITED, 0.0)


def _end(response: Response) -> Response:
    response.headers["X-Request-ID"] = g.request_id
    principal = g.get("principal")
    is_probe = response.status_code == HTTPStatus.OK and principal is None
    logger.log(
        logging.DEBUG if is_probe else logging.INFO,
        "request",
        extra={
            "request_id": g.request_id,
            "method": request.method,
            "route": str(request.url_rule or "none"),
            "status": response.status_code,
            "scim_type": g.get("scim_type"),
            "milliseconds": round((time.monotonic() - g.arrived) * 1000, 1),
            "tenant": principal.tenant if principal else None,
            "token_id": str(principal.token_id) if principal else None,
            "operation_id": str(g.operation_id) if "operation_id" in g else None,
        },
    )
    return response


class _ResourceId(BaseConverter):
    """Takes what may be a resource's id: `/Users/.search` is no User, so a GET there is a 405 and not a 404."""

    regex = r"[^/.][^/]*"
    part_isolating = True


class _OneSlash:
    """Reads `//Users` as `/Users`: a Tenant URL that was pasted with a slash at its end makes such paths."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi = wsgi

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = re.sub(r"//+", "/", environ.get("PATH_INFO", ""))
        return self._wsgi(environ, start_response)
