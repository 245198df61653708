"""Every page of the portal, narrow and wide, light and dark: it fits, is readable, and has no barrier axe knows."""

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from shared.settings import Settings
from tests import poison
from tests.browser.conftest import SMALL, WIDE, Portal, enter, first_link
from tests.conftest import make_tenant
from tests.factories import person, write

ROLES = "/settings/general/roles"
PROVISIONING = "/provisioning"
CONNECTIONS = f"{PROVISIONING}/connections"
EMPTY = ("/employees", ROLES, CONNECTIONS, *(f"{PROVISIONING}/{page}" for page in ("why", "cycles", "operations")))
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
AXE = Path(str(metadata.distribution("axe-playwright-python").locate_file("axe_playwright_python/axe.min.js")))
ASK_AXE = """async () => (await axe.run({resultTypes: ["violations"]})).violations.map(
  rule => ({id: rule.id, impact: rule.impact, where: rule.nodes.map(node => node.target.join(" "))}))"""
LOOKS = pytest.mark.parametrize(
    ("width", "colours"), [(width, colours) for width in (WIDE, SMALL) for colours in ("light", "dark")]
)


def places(portal: Portal, engine: Engine) -> list[str]:
    """Return the address of a page of each kind."""
    with portal.page() as page:
        person_, role, token = (
            portal.url + first_link(page, portal.url + path) for path in ("/employees", ROLES, CONNECTIONS)
        )
        page.goto(f"{person_}/history")
        operation = portal.url + str(page.locator("a[href^='/operations/']").first.get_attribute("href"))
    doomed = write(portal.tenant, request=person(title=poison.MARK))
    poison.die(engine, doomed)
    fixed = ("/employees", "/employees?q=zzzz", ROLES, CONNECTIONS, f"{CONNECTIONS}/new", "/account", "/nowhere")
    steps = [f"{CONNECTIONS}/set-up/{guide}" for guide in ("entra", "okta")]
    steps += [f"{PROVISIONING}/{page}" for page in ("why", "why?q=a", "why?q=nobody", "cycles", "operations")]
    steps.append(f"{PROVISIONING}/operations/{doomed.id}")
    parts = [person_, f"{person_}/roles", f"{person_}/history", role, f"{role}/permissions", f"{role}/history"]
    return [*(portal.url + path for path in (*fixed, *steps)), *parts, token, operation]


def barriers(page: Page) -> list[dict[str, Any]]:
    """Return what axe calls serious or critical."""
    page.evaluate(AXE.read_text())
    return [found for found in page.evaluate(ASK_AXE) if found["impact"] in {"serious", "critical"}]


def look(page: Page, address: str) -> None:
    """Look at the page that is there. Raises AssertionError for what is wrong with it."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{address} is too wide"
    assert page.evaluate(CONTRAST) == [], address
    assert barriers(page) == [], address
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("time:not([data-shown])")).to_have_count(0)


@LOOKS
def test_every_page_fits_is_readable_and_has_no_barrier(
    portal: Portal, stack_engine: Engine, width: int, colours: str
) -> None:
    addresses = places(portal, stack_engine)
    portal.complaints.clear()

    with portal.page(width, colours) as page:
        for address in addresses:
            page.goto(address)
            look(page, address)
    assert [text for text in portal.complaints if "404" not in text] == []


@LOOKS
def test_what_opens_has_no_barrier_either(portal: Portal, width: int, colours: str) -> None:
    with portal.page(width, colours) as page:
        page.goto(portal.url + first_link(page, portal.url + CONNECTIONS))
        page.get_by_text("Revoke …").click()
        look(page, "a connection that is about to be revoked")
        if width == SMALL:
            page.get_by_role("button", name="Menu").click()
            look(page, "the menu")
        page.goto(f"{portal.url}{CONNECTIONS}/new")
        page.get_by_role("button", name="Make token").click()
        expect(page.get_by_label("Secret Token", exact=True)).to_be_visible()
        look(page, "a token that is shown once")


@LOOKS
def test_an_empty_tenant_and_the_way_in_have_no_barrier(
    portal: Portal, stack: Settings, stack_engine: Engine, width: int, colours: str
) -> None:
    with portal.page(width, colours) as page:
        page.context.clear_cookies()
        for way_in in ("/sign-in", "/sign-in/link"):
            page.goto(portal.url + way_in)
            look(page, way_in)
        enter(page, stack, stack_engine, make_tenant(stack_engine))
        for address in EMPTY:
            page.goto(portal.url + address)
            look(page, f"{address}, empty")


def test_axe_finds_a_barrier_where_there_is_one(portal: Portal) -> None:
    """Else the tests above could not fail."""
    with portal.page() as page:
        page.goto(f"{portal.url}/employees")
        page.evaluate("document.querySelector('#content').insertAdjacentHTML('beforeend', '<input>')")

        assert [found["id"] for found in barriers(page)] == ["label"]
