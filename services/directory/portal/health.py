"""Answer whether the process lives, and whether it can work."""

from collections.abc import Iterator
from functools import partial

from flask import Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database, migrating
from services.directory.portal.desk import Desk
from services.directory.portal.routes import Anyone, Route


def routes(desk: Desk) -> Iterator[Route]:
    """Yield /healthz, which is 200 while the process lives, and /readyz, which looks at the database."""
    yield Route(rule="/healthz", endpoint="healthz", view=_alive, needs=Anyone.STRANGER)
    yield Route(rule="/readyz", endpoint="readyz", view=partial(_ready, desk), needs=Anyone.STRANGER)


def _alive() -> Response:
    return jsonify(status="alive")


def _ready(desk: Desk) -> tuple[Response, int]:
    state = _database(desk)
    is_ready = state == "ok"
    return jsonify(status="ready" if is_ready else "not ready", database=state), 200 if is_ready else 503


def _database(desk: Desk) -> str:
    try:
        with database.transaction(desk.engine) as connection:
            return "ok" if migrating.is_current(connection) else "not migrated (run: muster migrate)"
    except SQLAlchemyError as error:
        return type(error).__name__
