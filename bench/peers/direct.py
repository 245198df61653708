"""The limit *direct*: Flask on gunicorn with gevent, one INSERT and its commit in the request, no SCIM and no queue.

The table is the directory's own, with all its indexes; the row has what the request says. Nothing is validated, no
history kept, no order promised and no token looked up.
"""

import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import uuid_utils.compat
from flask import Flask, Response, abort, request
from sqlalchemy import insert, text

from services.directory import database, rows, tables
from shared.scim import resource_types

MEDIA_TYPE = "application/scim+json"
SHOWN = text("SELECT * FROM employee WHERE id = :id AND tenant_id = :tenant AND deleted_at IS NULL")
MATCHED = text("""
    SELECT * FROM employee
    WHERE tenant_id = :tenant AND lower(user_name) COLLATE "C" = lower(:name) AND deleted_at IS NULL
""")


def create() -> Flask:
    """Return the application."""
    app = Flask(__name__)
    engine = database.connect(os.environ["DATABASE_URL"], process="direct", pool_size=10)
    inserted = insert(tables.employee)
    expected, tenant = f"Bearer {os.environ['TOKEN']}", UUID(os.environ["TENANT"])

    @app.before_request
    def authenticate() -> None:
        if request.headers.get("Authorization") != expected:
            abort(401)

    @app.post("/Users")
    def create_user() -> Response:
        resource = orjson.loads(request.get_data())
        row = {
            **rows.from_resource(resource_types.USERS, resource),
            "id": uuid_utils.compat.uuid7(),
            "tenant_id": tenant,
            "version": 1,
            **dict.fromkeys(("meta_created", "meta_last_modified"), datetime.now(UTC)),
        }
        with database.transaction(engine) as connection:
            connection.execute(inserted, row)
        return _answer({"id": str(row["id"]), **resource}, 201)

    @app.get("/Users/<user_id>")
    def get_user(user_id: str) -> Response:
        with database.transaction(engine) as connection:
            row = connection.execute(SHOWN, {"id": UUID(user_id), "tenant": tenant}).mappings().one_or_none()
        return _answer(_shown(row)) if row is not None else Response(status=404)

    @app.get("/Users")
    def match() -> Response:
        name = request.args["filter"].split('"')[1]
        with database.transaction(engine) as connection:
            found = connection.execute(MATCHED, {"name": name, "tenant": tenant}).mappings().all()
        return _answer({"totalResults": len(found), "Resources": [_shown(row) for row in found]})

    return app


def _shown(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _answer(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, mimetype=MEDIA_TYPE)


app = create()
