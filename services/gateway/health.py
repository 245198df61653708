"""Answer whether the process lives, and whether it can work (no token needed)."""

from flask import Blueprint, Response
from redis import Redis, RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, migrating
from services.gateway import responses
from services.gateway.waiting import Listener
from shared import queue


def blueprint(engine: Engine, redis: Redis, listener: Listener) -> Blueprint:
    """Return /healthz, which is 200 while the process lives, and /readyz, which looks at what it needs."""
    routes = Blueprint("health", __name__)
    routes.add_url_rule("/healthz", view_func=lambda: responses.scim({"status": "alive"}), endpoint="healthz")
    routes.add_url_rule("/readyz", view_func=lambda: _ready(engine, redis, listener), endpoint="readyz")
    return routes


def _ready(engine: Engine, redis: Redis, listener: Listener) -> Response:
    checks = {
        "database": _database(engine),
        "broker": _broker(redis),
        "worker": _worker(redis),
        "outcomes": "ok" if listener.is_listening.is_set() else "not connected",
    }
    # Without broker or worker writes are slower, for this process then drains by itself; without database all fails.
    status = 200 if checks["database"] == "ok" else 503
    return responses.scim({"status": "ready" if status == 200 else "not ready", **checks}, status)


def _database(engine: Engine) -> str:
    try:
        with database.transaction(engine) as connection:
            return "ok" if migrating.is_current(connection) else "not migrated (run: muster migrate)"
    except SQLAlchemyError as error:
        return type(error).__name__


def _worker(redis: Redis) -> str:
    try:
        return "ok" if queue.has_worker(redis) else "none heard of"
    except RedisError as error:
        return type(error).__name__


def _broker(redis: Redis) -> str:
    try:
        redis.ping()
    except RedisError as error:
        return type(error).__name__
    return "ok"
