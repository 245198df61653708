"""What every page of the portal works with: the database, the settings, the catalogues that were read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flask import g
from sqlalchemy import Connection, Engine

from services.directory import database
from services.directory.catalogues import Catalogues
from services.directory.portal.feed import Feed
from services.directory.portal_sessions import Visitor
from shared.scim.resource_types import Catalogue
from shared.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The connections and settings that pages share."""

    engine: Engine
    settings: Settings
    wake: Callable[[int], bool]
    """Rings for a shard in which something was accepted."""
    feed: Feed
    """What pages share that show the present."""
    catalogues: Catalogues = field(default_factory=Catalogues)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run the block in one transaction, which serves the visitor's tenant."""
        with database.transaction(self.engine, me().tenant_id) as connection:
            yield connection

    @contextmanager
    def before_sign_in(self) -> Iterator[Connection]:
        """Run the block in one transaction, which has to find out whose it is."""
        with database.across(self.engine) as connection:
            yield connection

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the portal by https, so that cookies need never go another way."""
        return self.settings.portal_url.startswith("https:")

    def catalogue(self, connection: Connection) -> Catalogue:
        """Return the resource types as the visitor's tenant has them."""
        return self.catalogues.of_versions(connection, {me().tenant_id: me().catalogue_version})[me().tenant_id]

    def tenant_url(self) -> str:
        """Return the base URL that the visitor's identity provider is given."""
        base = f"https://{me().domain}" if me().domain else self.settings.public_url.rstrip("/")
        return f"{base}/rest/scim/v2/"


def me() -> Visitor:
    """Return who asks; only for pages that nobody gets who is not signed in."""
    visitor: Visitor = g.visitor
    return visitor
