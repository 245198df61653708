"""The portal in a real browser: narrow and wide, light and dark, by mouse and by keyboard."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy import Engine, delete

from services.directory import database, portal_tables
from shared.settings import Settings
from tests.browser.conftest import SMALL, Portal, enter, first_link
from tests.conftest import make_tenant
from tests.factories import Client, employee

ROLES = "/settings/general/roles"
PROVISIONING = "/provisioning"
CONNECTIONS = "/provisioning/connections"
Picture = Callable[[Page, str], None]


def test_typing_filters_at_once_and_the_address_keeps_it(portal: Portal) -> None:
    portal.client.create_user(displayName="Zuse Konrad", userName="zuse@example.com")
    with portal.page() as page:
        page.goto(f"{portal.url}/employees")
        page.get_by_label("Type to filter employees").press_sequentially("zuse kon")

        expect(page.locator(".count")).to_contain_text("1 employee found")
        expect(page.locator("a.main-link")).to_have_text(["Zuse Konrad"])
        expect(page).to_have_url(re.compile(r"q=zuse(\+|%20)kon"))
        expect(page.get_by_label("Type to filter employees")).to_be_focused()
        expect(page.get_by_role("link", name="Export CSV")).to_have_attribute("href", re.compile("q=zuse"))

        page.reload()
        expect(page.locator("a.main-link")).to_have_text(["Zuse Konrad"])


def test_without_scripts_the_list_is_filtered_as_well(portal: Portal) -> None:
    portal.client.create_user(displayName="Noether Emmy", userName="noether@example.com")
    with portal.page(java_script_enabled=False) as page:
        page.goto(f"{portal.url}/employees")
        page.get_by_label("Type to filter employees").fill("noether")
        page.get_by_role("button", name="Filter").click()

        expect(page.locator("a.main-link")).to_have_text(["Noether Emmy"])


def test_a_script_in_a_name_does_not_run(portal: Portal) -> None:
    portal.client.create_user(displayName="<img src=x onerror=alert(1)>Mallory", userName="mallory@example.com")
    said: list[str] = []
    with portal.page() as page:
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(f"{portal.url}/employees?q=mallory")

        expect(page.locator("a.main-link")).to_have_text(["<img src=x onerror=alert(1)>Mallory"])
        page.locator("a.main-link").click()
        expect(page.locator("h1")).to_have_text("<img src=x onerror=alert(1)>Mallory")
    assert said == []


def test_the_keyboard_reaches_everything_and_shows_where_it_is(portal: Portal) -> None:
    with portal.page() as page:
        page.goto(f"{portal.url}/employees")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Export CSV")).to_be_focused()
        page.keyboard.press("Tab")

        expect(page.get_by_label("Type to filter employees")).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_times_are_the_viewers_with_the_exact_one_on_hover(portal: Portal) -> None:
    with portal.page(colours="light") as page:
        page.goto(f"{portal.url}{ROLES}")
        tag = page.locator("time").first
        shown, exact = tag.inner_text(), str(tag.get_attribute("title"))

    assert "UTC" not in shown
    assert re.search(r"\d\d:\d\d CET . .*:\d\d\.\d{3} UTC$", exact), exact


def test_a_token_is_made_copied_and_not_shown_again(portal: Portal) -> None:
    with portal.page() as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{portal.url}{CONNECTIONS}/new")
        page.get_by_label("Name").fill("Okta")
        page.get_by_role("button", name="Make token").click()
        secret = page.get_by_label("Secret Token", exact=True).input_value()
        page.get_by_role("button", name="Copy Secret Token").click()

        expect(page.get_by_role("button", name="Copied Secret Token")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        page.goto(f"{portal.url}{CONNECTIONS}")
        assert secret.startswith("mst_")
        assert secret not in page.content()


def test_the_menu_opens_where_there_is_no_room(portal: Portal) -> None:
    with portal.page(SMALL) as page:
        page.goto(f"{portal.url}/employees")
        expect(page.get_by_role("link", name="Connections")).to_be_hidden()
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="Connections").click()

        expect(page.locator("h1")).to_have_text("Connections")


def test_colours_that_were_chosen_stay(portal: Portal) -> None:
    with portal.page(colours="light") as page:
        page.goto(f"{portal.url}/account")
        page.get_by_role("button", name="Dark").click()
        page.goto(f"{portal.url}/employees")

        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_a_connection_turns_green_while_somebody_looks(portal: Portal, stack: Settings, stack_engine: Engine) -> None:
    tenant = make_tenant(stack_engine)
    with portal.page() as page, Client(stack.public_url, tenant) as client:
        page.context.clear_cookies()
        enter(page, stack, stack_engine, tenant)
        page.goto(f"{portal.url}{CONNECTIONS}/{tenant.principal.token_id}")
        expect(page.locator(".strip .has-not")).to_have_count(5)

        client.create_user()

        expect(page.locator(".strip .has")).to_contain_text("First user", timeout=60_000)


def test_a_page_without_a_stream_asks_again_and_says_when_it_cannot(
    portal: Portal, stack: Settings, stack_engine: Engine
) -> None:
    tenant = make_tenant(stack_engine)
    with portal.page() as page, Client(stack.public_url, tenant) as client:
        page.context.clear_cookies()
        enter(page, stack, stack_engine, tenant)
        page.route("**/progress/live", lambda route: route.fulfill(status=503, body="full"))
        page.goto(f"{portal.url}{CONNECTIONS}/{tenant.principal.token_id}")
        expect(page.locator(".strip .has-not")).to_have_count(5)

        client.create_user()

        expect(page.locator(".strip .has")).to_contain_text("First user", timeout=60_000)
        page.route("**/progress", lambda route: route.fulfill(status=503, body="<p>gone</p>"))
        expect(page.locator("#progress.old")).to_be_visible(timeout=60_000)
        expect(page.locator(".strip .has")).to_contain_text("First user")
        page.unroute("**/progress")
        expect(page.locator("#progress.old")).to_have_count(0, timeout=60_000)


def test_a_page_with_a_stream_asks_nothing_by_itself(portal: Portal) -> None:
    asked: list[str] = []
    with portal.page() as page:
        page.on("request", lambda request: asked.append(request.url))
        with page.expect_response("**/operations/live"):
            page.goto(f"{portal.url}{PROVISIONING}/operations")
        page.evaluate("document.querySelector('#now').dataset.was = 'here'")
        expect(page.locator("#now[data-was]")).to_have_count(0, timeout=60_000)

    assert [url for url in asked if url.endswith("/operations/now")] == []


def test_whoever_is_signed_out_elsewhere_is_led_to_the_sign_in_page(
    portal: Portal, stack: Settings, stack_engine: Engine
) -> None:
    tenant, sessions = make_tenant(stack_engine), portal_tables.portal_session
    with portal.page() as page:
        page.context.clear_cookies()
        enter(page, stack, stack_engine, tenant)
        with page.expect_response("**/operations/live"):
            page.goto(f"{portal.url}{PROVISIONING}/operations")
        with database.transaction(stack_engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.tenant_id == tenant.principal.tenant_id))

        page.wait_for_url("**/sign-in**", timeout=120_000)


def test_pictures_of_the_documents(portal: Portal, picture: Picture) -> None:
    """What docs/portal.md shows: `make pictures` writes them anew."""
    with portal.page() as page:
        page.goto(f"{portal.url}/employees?q=ma")
        picture(page, "employees")
        role = portal.url + first_link(page, portal.url + ROLES)
        person = portal.url + first_link(page, role)
        page.goto(f"{person}/history")
        picture(page, "history")
        page.goto(portal.url + first_link(page, portal.url + ROLES) + "/permissions")
        page.get_by_label("View employees").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("status")).to_contain_text("Saved")
        picture(page, "permissions")
        page.goto(portal.url + CONNECTIONS)
        picture(page, "connections")
        name = str(portal.client.create_user(displayName="Ada Lovelace")["userName"])
        portal.client.post("/Users", json=employee(userName=name, displayName="Ada King"))
        page.goto(f"{portal.url}{PROVISIONING}/why?q={name}")
        expect(page.locator(".verdict")).to_be_visible()
        picture(page, "why")
    with portal.page(SMALL, "dark") as page:
        page.goto(f"{person}/history")
        picture(page, "small")

        expect(page.locator(".story")).to_be_visible()
