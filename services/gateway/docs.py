"""Serve the OpenAPI document, and a page to read it with, both without a token: they tell nothing of any tenant.

The page is Swagger UI, which comes with a Python package. It loads nothing from other hosts, and is not allowed to.
"""

from importlib.resources import as_file, files
from typing import Any

import orjson
from flask import Blueprint, Response, send_from_directory

DOCUMENT = "/openapi.json"
ASSETS = frozenset({"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Muster: SCIM 2.0</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript. The document itself: <a href="{document}">{document}</a></noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# The validator of swagger.io would be asked about the document otherwise.
START = 'SwaggerUIBundle({{dom_id: "#page", url: "{document}", validatorUrl: null, deepLinking: true}});\n'


def under_prefix(described: dict[str, Any]) -> Blueprint:
    """Return the route of the document itself."""
    body = orjson.dumps(described)
    routes = Blueprint("openapi", __name__)
    routes.add_url_rule(
        DOCUMENT,
        view_func=lambda: Response(body, content_type="application/json"),
        endpoint="document",
        methods=["GET"],
    )
    return routes


def at_root(document_url: str) -> Blueprint:
    """Return the routes of the page and of what it loads."""
    page, start = PAGE.format(document=document_url), START.format(document=document_url)
    routes = Blueprint("docs", __name__, url_prefix="/docs")
    routes.add_url_rule("", view_func=lambda: _page(page), endpoint="page", methods=["GET"])
    routes.add_url_rule("/<asset>", view_func=lambda asset: _asset(asset, start), endpoint="asset", methods=["GET"])
    return routes


def _page(page: str) -> Response:
    return Response(page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY})


def _asset(asset: str, start: str) -> Response:
    if asset == "start.js":
        return Response(start, content_type="text/javascript; charset=utf-8")
    with as_file(files("flask_swagger_ui") / "dist") as folder:
        return send_from_directory(folder, asset if asset in ASSETS else "none", max_age=3600)
