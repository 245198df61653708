"""Serve what pages load: style sheets, scripts, icons; all from this process, under addresses that name the content.

Bootstrap's files come out of the Python package that ships them, without importing it.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from flask import Response, abort, request
from markupsafe import Markup

from services.directory.portal.routes import Anyone, Route

FOLDER = Path(__file__).parent / "static"
PACKAGE = "bootstrap-flask"
BOOTSTRAP = "flask_bootstrap/static/bootstrap5"
FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_SYMBOL = re.compile(r'<symbol[^>]*viewBox="([^"]+)"[^>]*id="([^"]+)"[^>]*>(.*?)</symbol>', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file, as it is sent."""

    media_type: str
    content: bytes
    packed: bytes
    digest: str


def routes() -> list[Route]:
    """Return the route of all assets."""
    rule = "/static/<digest>/<name>"
    return [Route(rule=rule, endpoint="asset", view=_send, needs=Anyone.STRANGER)]


def address(name: str) -> str:
    """Return where an asset is found; another content has another address."""
    return f"/static/{_assets()[name].digest}/{name}"


def icon(name: str) -> Markup:
    """Return one of Bootstrap's icons, as part of the page; it says nothing to who cannot see."""
    box, paths = _icons()[name]
    # The sprite is a file of a locked package.
    return Markup(f'<svg class="icon" viewBox="{box}" aria-hidden="true" focusable="false">{paths}</svg>')  # noqa: S704


def _send(digest: str, name: str) -> Response:
    asset = _assets().get(name)
    if asset is None or asset.digest != digest:
        abort(404)
    is_packed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(asset.packed if is_packed else asset.content, content_type=asset.media_type)
    if is_packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Cache-Control"], response.headers["Vary"] = FOR_EVER, "Accept-Encoding"
    return response


@cache
def _assets() -> dict[str, Asset]:
    own = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in _TYPES]
    return {path.name: _asset(path) for path in (_bootstrap("css/bootstrap.min.css"), *own)}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(
        media_type=_TYPES[path.suffix],
        content=content,
        packed=gzip.compress(content, mtime=0),
        digest=hashlib.sha256(content).hexdigest()[:12],
    )


@cache
def _icons() -> dict[str, tuple[str, str]]:
    sprite = _bootstrap("icons/bootstrap-icons.svg").read_text()
    return {name: (box, paths) for box, name, paths in _SYMBOL.findall(sprite)}


def _bootstrap(name: str) -> Path:
    return Path(str(metadata.distribution(PACKAGE).locate_file(f"{BOOTSTRAP}/{name}")))
