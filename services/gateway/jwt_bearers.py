"""Tell whose a JWT is that comes as a bearer token: one that this server issued, or one of an issuer that is trusted.

Signatures are verified here, clients are looked up each time: who is revoked is refused whatever the JWT says.
"""

from dataclasses import dataclass, replace

from sqlalchemy import Engine

from services.directory import access_tokens, clients, database
from services.directory.access_tokens import AccessTokenError
from services.directory.clients import Client
from services.directory.signing_keys import Ring
from services.directory.tokens import Principal
from services.gateway import foreign_tokens, responses
from services.gateway.foreign_tokens import ForeignTokenError, Unverified
from services.gateway.issuers import Issuers
from shared.scim.errors import UnauthorizedError


@dataclass(frozen=True, kw_only=True)
class JWTBearers:
    """What verifies JWTs."""

    engine: Engine
    ring: Ring
    issuers: Issuers
    public_url: str

    def principal(self, token: str) -> Principal | None:
        """Return whose JWT it is, or None for what is none, or a stranger's. Raises UnauthorizedError that says why."""
        said = foreign_tokens.read(token)
        if said is None:
            return None
        trusting = None if self.ring.knows(said.kid) else self._trusting(said)
        return self._own(token, said) if trusting is None else self._foreign(token, said, trusting)

    def _trusting(self, said: Unverified) -> Client | None:
        with database.across(self.engine) as connection:
            return clients.trusting(connection, said.issuer, said.audiences, said.subject)

    def _own(self, token: str, said: Unverified) -> Principal | None:
        try:
            claims = access_tokens.verify(token, said.kid, self.ring)
        except AccessTokenError as error:
            raise UnauthorizedError(f"The access token {error}: ask for a new one") from error
        with database.across(self.engine) as connection:
            found = access_tokens.principal(connection, claims)
        if found is None:
            return None
        # Of a tenant that has another address by now, or meant for something else.
        base = responses.base_url(found, self.public_url)
        is_ours = (said.issuer, said.audiences) == (responses.origin(found.domain, self.public_url), (base,))
        return found if is_ours else None

    def _foreign(self, token: str, said: Unverified, client: Client) -> Principal | None:
        try:
            verified = foreign_tokens.verify(token, said, client.federation(), self.issuers)
        except ForeignTokenError as error:
            raise UnauthorizedError(f"The bearer token {error}: look at the issuer, and at its keys") from error
        with database.across(self.engine) as connection:
            found = clients.principal(connection, client.id)
        return None if found is None else replace(found, expires_at=verified.expires_at)
