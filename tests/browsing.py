"""Play a browser without a screen: it keeps cookies, and sends the forms that it was given."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import httpx
from sqlalchemy import Engine

from services.directory import admins, database, ids
from services.directory.permissions import Permission
from shared.settings import Settings
from tests.factories import Tenant

_WORD = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_LINK = re.compile(r'href="([^"]+)"')

EVERYTHING = frozenset({Permission.ADMIN})


class Browser(httpx.Client):
    """A browser, perhaps of an admin of a tenant."""

    def __init__(self, portal_url: str) -> None:
        super().__init__(base_url=portal_url, timeout=60)
        self.email = ""

    def submit(self, page: str, action: str | None = None, **fields: Any) -> httpx.Response:
        """Load a page, and send its form with these fields, to another action if one is given."""
        word = _WORD.search(self.get(page, follow_redirects=True).text)
        assert word is not None, f"{page} has no form"
        return self.post(action or page, data={"csrf": word[1], **fields})

    def links(self, page: str) -> list[str]:
        """Return where the links of a page lead."""
        return [unescape(link) for link in _LINK.findall(self.get(page).text)]


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event that a server sent."""

    id: str
    name: str
    data: str


@contextmanager
def streamed(browser: Browser, path: str, known: str = "") -> Iterator[tuple[httpx.Response, Iterator[Event]]]:
    """A stream of events, which goes on while the block does."""
    headers = {"Last-Event-ID": known} if known else {}
    with browser.stream("GET", path, headers=headers) as response:
        yield response, _events(response)


def _events(response: httpx.Response) -> Iterator[Event]:
    fields: dict[str, list[str]] = {}
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields.setdefault(name.removesuffix(":"), []).append(value)
        elif "data" in fields:
            yield Event(id="".join(fields.get("id", [])), name="".join(fields["event"]), data="\n".join(fields["data"]))
            fields = {}


@contextmanager
def signed_in(
    stack: Settings,
    engine: Engine,
    tenant: Tenant,
    permissions: frozenset[Permission] = EVERYTHING,
    email: str | None = None,
) -> Iterator[Browser]:
    """The browser of a new admin of a tenant, who came by a link."""
    with Browser(stack.portal_url) as browser:
        browser.email = email or f"{ids.new()}@admins.example"
        link = made_link(stack, engine, tenant, permissions, browser.email)
        response = browser.submit(admins.LINK_PATH, code=urlsplit(link).fragment)
        assert response.status_code == 303, response.text
        yield browser


def made_link(stack: Settings, engine: Engine, tenant: Tenant, permissions: frozenset[Permission], email: str) -> str:
    """Return a link that signs in a new admin."""
    with database.transaction(engine) as connection:
        admins.create(connection, tenant.principal.tenant_id, email, None, permissions)
        admin = admins.find(connection, email)
        assert admin is not None
        return admins.link_address(stack.portal_url, admins.make_link(connection, admin))
