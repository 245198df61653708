"""Put together what stands before every request: who sends it, and whether that is more than a limit permits."""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from services.directory import access_tokens
from services.directory.signing_keys import Ring
from services.gateway import limiting
from services.gateway.auth import Authenticator
from services.gateway.client_authentication import ClientAuthentication
from services.gateway.flushing import TokenUses
from services.gateway.guard import Guard
from services.gateway.issuers import Issuers
from services.gateway.jwt_bearers import JWTBearers
from services.gateway.oauth import OAuth
from services.gateway.sharing import Sharing
from services.gateway.throttling import Throttle
from shared import queue
from shared.settings import Settings

SHARING_SECONDS = 0.25
"""How long Redis may take to answer what is shared with other gateways; requests do not wait for it."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a request passes before anything is done for it."""

    guard: Guard
    authenticator: Authenticator
    throttle: Throttle
    oauth: OAuth
    sharing: Sharing


def create(settings: Settings, engine: Engine, uses: TokenUses) -> Gate:
    """Return all of it; nothing of it runs yet."""
    sharing = Sharing(queue.redis_client(settings, SHARING_SECONDS), settings.gateway_processes)
    limits = limiting.limits(settings, sharing)
    issuers, ring = Issuers(), Ring(engine, settings.token_cache_seconds)
    guard = Guard(limits.wrong_tokens, partial(access_tokens.is_ours, ring=ring))
    bearers = JWTBearers(engine=engine, ring=ring, issuers=issuers, public_url=settings.public_url)
    authenticator = Authenticator(engine, settings.token_cache_seconds, uses, bearers, guard)
    return Gate(
        guard=guard,
        authenticator=authenticator,
        throttle=Throttle(limits.rates, settings.tenant_concurrency),
        oauth=OAuth(
            settings=settings,
            engine=engine,
            authenticator=authenticator,
            authentication=ClientAuthentication(engine=engine, issuers=issuers),
            guard=guard,
        ),
        sharing=sharing,
    )
