"""What tests with a real browser need: Chromium, a tenant with people in it, and an admin who is signed in.

Chromium is Debian's, for Playwright's own cannot be had everywhere; where there is none, these tests say so and skip.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy import Engine

from services.directory import database, ids, tenants, tokens
from services.simulator import entra, progress
from services.simulator.client import Target
from services.simulator.entra import Plan
from shared.settings import Settings
from tests.browsing import EVERYTHING, made_link
from tests.factories import Client, Tenant

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, SMALL = 1280, 390
HEIGHTS = {WIDE: 800, SMALL: 844}


@dataclass(frozen=True, kw_only=True)
class Portal:
    """A portal with people in it, and how to look at it."""

    url: str
    tenant: Tenant
    client: Client
    browser: Browser
    state: Path
    complaints: list[str]

    @contextmanager
    def page(self, width: int = WIDE, colours: str = "light", **options: object) -> Iterator[Page]:
        """A page of the admin who is signed in; what the browser complains of is noted."""
        with _context(self.browser, width, colours, storage_state=str(self.state), **options) as context:
            page = context.new_page()
            page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
            yield page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser; not for longer than its module, for Playwright keeps an event loop running in this thread."""
    if CHROMIUM is None:
        assert os.environ.get("MUSTER_BROWSER") != "required", "there is no chromium"
        pytest.skip("there is no chromium here to test pages with (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def portal(
    chromium: Browser, stack: Settings, stack_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Portal]:
    """The portal of a made-up company, as Entra provisions it."""
    tenant, state = company(stack_engine), tmp_path_factory.mktemp("browser") / "state.json"
    url = f"{stack.public_url}/rest/scim/v2/"
    entra.provision(
        Target(url=url, token=tenant.secret), Plan(users=60, groups=8, cycles=2, concurrency=5), progress.Silent()
    )
    with _context(chromium, WIDE, "light") as context:
        enter(context.new_page(), stack, stack_engine, tenant)
        context.storage_state(path=state)
    with Client(stack.public_url, tenant) as client:
        yield Portal(url=stack.portal_url, tenant=tenant, client=client, browser=chromium, state=state, complaints=[])


_companies = count(1)


def company(engine: Engine) -> Tenant:
    """Return a tenant with a name that is nice to look at; each module has one of its own in the same stack."""
    number = next(_companies)
    with database.transaction(engine) as connection:
        made = tenants.create(connection, "contoso" if number == 1 else f"contoso-{number}", None)
        secret = tokens.create(connection, made.id, "Entra ID")
        principal = tokens.authenticate(connection, secret)
    assert principal is not None
    return Tenant(principal=principal, secret=secret)


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Take a picture for docs/images, if MUSTER_PICTURES names that folder."""
    folder = os.environ.get("MUSTER_PICTURES")

    def take(page: Page, name: str) -> None:
        if folder:
            page.screenshot(path=str(Path(folder) / f"{name}.png"))

    return take


def enter(page: Page, stack: Settings, engine: Engine, tenant: Tenant) -> None:
    """Sign a new admin in by a link."""
    link = made_link(stack, engine, tenant, EVERYTHING, f"ada-{ids.new().hex[-6:]}@example.com")
    assert urlsplit(link).fragment
    page.goto(link)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/account")


def first_link(page: Page, address: str) -> str:
    """Return where the first thing of a list leads."""
    page.goto(address)
    return str(page.locator("a.main-link").first.get_attribute("href"))


@contextmanager
def _context(browser: Browser, width: int, colours: str, **options: object) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme=colours,  # type: ignore[arg-type]
        locale="en-GB",
        timezone_id="Europe/Vienna",
        **options,  # type: ignore[arg-type]
    )
    try:
        yield context
    finally:
        context.close()
