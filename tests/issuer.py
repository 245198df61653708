"""A real issuer of JWTs: an OpenID provider with RSA keys, its metadata and its JWK Set, over HTTP on loopback."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from flask import Flask, Response, jsonify
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

SUBJECT, AUDIENCE = "d2f8ee76-c549-45b8-a143-f5b640669704", "api://b5ba7a93-4452-4522-aeb4-a2b5da870c16"
LIFETIME = 3900


class Issuer:
    """An issuer that counts what it is asked for; `url` is what it calls itself.

    Like Entra it serves a tenant with an id of its own: a port may be given out again.
    """

    def __init__(self) -> None:
        self.keys = [new_key()]
        self.asked: Counter[str] = Counter()
        self.is_down = False
        self.url, self.tenant = "", uuid4()

    def app(self) -> Flask:
        """Return the application that serves the metadata and the keys."""
        app = Flask("issuer")
        app.add_url_rule(f"/{self.tenant}/v2.0/.well-known/openid-configuration", "metadata", self._metadata)
        app.add_url_rule(f"/{self.tenant}/discovery/v2.0/keys", "keys", self._keys)
        return app

    def claims(self, **others: Any) -> dict[str, Any]:
        """Return what Entra says in an assertion; None leaves a claim out."""
        now = int(time.time())
        own = {"iss": self.url, "sub": SUBJECT, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + LIFETIME}
        return {name: value for name, value in (own | {"ver": "2.0"} | others).items() if value is not None}

    def token(self, key: RSAKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a signed JWT."""
        key = key or self.keys[-1]
        return jwt.encode({"alg": "RS256", "kid": key.kid} | (header or {}), self.claims(**claims), key)

    def rotate(self) -> None:
        """Publish a new key beside the old ones, and sign with it."""
        self.keys.append(new_key())

    def _metadata(self) -> Response:
        self.asked["metadata"] += 1
        keys = self.url.removesuffix("/v2.0") + "/discovery/v2.0/keys"
        return jsonify({"issuer": self.url, "jwks_uri": keys})

    def _keys(self) -> Response:
        self.asked["keys"] += 1
        if self.is_down:
            return Response(status=503)
        # Entra's keys name no algorithm.
        published = [key.as_dict(private=False) for key in self.keys]
        return jsonify({"keys": [{name: v for name, v in key.items() if name != "alg"} for key in published]})


def new_key() -> RSAKey:
    """Return a new RSA key, whose id is its thumbprint."""
    return RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)


def jti() -> str:
    """Return an id for an assertion."""
    return str(uuid4())


@contextmanager
def serving() -> Iterator[Issuer]:
    """Serve an issuer on a free port."""
    issuer = Issuer()
    server = make_server("127.0.0.1", 0, issuer.app(), threaded=True)
    issuer.url = f"http://127.0.0.1:{server.port}/{issuer.tenant}/v2.0"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
