"""An admin's first day, in a browser against the whole stack: connect Entra ID, watch, look, ask why, mend."""

from playwright.sync_api import Page, expect
from sqlalchemy import Engine

from services.directory import database, tokens
from services.simulator import entra, progress
from services.simulator.client import Target
from services.simulator.entra import Plan
from shared.settings import Settings
from tests import poison
from tests.browser.conftest import Portal, enter
from tests.conftest import make_tenant
from tests.factories import Client, Tenant, patch, person, replace, write

PATIENCE = 120_000
WHY = "/provisioning/why"
OPERATIONS = "/provisioning/operations"


def connected(page: Page, portal: Portal, engine: Engine) -> Tenant:
    """Connect as the portal tells to: make a token, and go to where its first steps are shown."""
    page.goto(f"{portal.url}/employees")
    page.get_by_role("link", name="Connect an identity provider").click()
    page.goto(f"{portal.url}/provisioning/connections/new")
    page.get_by_role("button", name="Make token").click()
    secret = page.get_by_label("Secret Token", exact=True).input_value()
    url = page.get_by_label("Tenant URL (Entra ID)").input_value()
    page.get_by_label("Where this is").get_by_role("link", name="Entra ID").click()
    with database.transaction(engine) as connection:
        principal = tokens.authenticate(connection, secret)
    assert principal is not None
    assert url.startswith("http")
    assert "/rest/scim/v2/" in url
    return Tenant(principal=principal, secret=secret)


def test_the_first_day_of_an_admin(portal: Portal, stack: Settings, stack_engine: Engine) -> None:
    with portal.page() as page:
        page.context.clear_cookies()
        enter(page, stack, stack_engine, make_tenant(stack_engine))

        tenant = connected(page, portal, stack_engine)
        expect(page.locator(".strip .has-not")).to_have_count(5)
        target = Target(url=f"{stack.public_url}/rest/scim/v2/", token=tenant.secret)
        entra.provision(target, Plan(users=20, groups=3, cycles=1, concurrency=3), progress.Silent())
        expect(page.locator(".strip .has")).to_have_count(5, timeout=PATIENCE)

        with Client(stack.public_url, tenant) as client:
            user = client.create_user(displayName="Ada Lovelace", title="Analyst", externalId="ada-1")
            sees_the_employee_and_who_disables_it(page, portal, client, user["id"])
            asks_why_somebody_was_refused(page, portal, client, user["userName"])
        tries_again_what_died(page, portal, stack_engine, tenant)


def sees_the_employee_and_who_disables_it(page: Page, portal: Portal, client: Client, user_id: str) -> None:
    page.goto(f"{portal.url}/employees")
    page.get_by_label("Type to filter employees").press_sequentially("ada love")
    expect(page.locator("a.main-link")).to_have_text(["Ada Lovelace"], timeout=PATIENCE)
    page.get_by_role("link", name="Ada Lovelace").click()
    page.get_by_role("link", name="History").click()
    expect(page.locator(".story > li")).to_have_count(1)
    expect(page.locator(".story")).to_contain_text("by Entra ID")

    disabled = client.patch(f"/Users/{user_id}", json=patch(replace("active", value="False")))

    assert disabled.status_code == 200
    page.reload()
    expect(page.locator(".story > li")).to_have_count(2)
    expect(page.locator(".story > li").first).to_contain_text("Active")
    page.goto(f"{portal.url}/employees?q=ada+love&status=inactive")
    expect(page.locator("a.main-link")).to_have_text(["Ada Lovelace"])


def asks_why_somebody_was_refused(page: Page, portal: Portal, client: Client, taken: str) -> None:
    refused = client.post("/Users", json=person(userName=taken, externalId="another-ada"))

    assert refused.status_code == 409
    page.goto(f"{portal.url}{WHY}")
    for _ in range(100):  # What was refused is written down a moment later.
        page.get_by_label("Whom or what is it about?").fill("another-ada")
        page.get_by_role("button", name="Ask").click()
        expect(page.locator(".verdict")).to_be_visible()
        if page.get_by_text("user-name-taken").count():
            break
    expect(page.locator(".verdict")).to_contain_text("Another user of this tenant")
    expect(page.locator(".verdict")).to_contain_text("In Entra ID")


def tries_again_what_died(page: Page, portal: Portal, engine: Engine, tenant: Tenant) -> None:
    page.goto(f"{portal.url}{OPERATIONS}")
    expect(page.get_by_text("Nothing was given up")).to_be_visible()

    doomed = write(tenant, request=person(title=poison.MARK, displayName="Grace Hopper", userName="grace@example.com"))
    poison.die(engine, doomed)

    page.get_by_role("link", name=f"Decide about {doomed.id}").click(timeout=PATIENCE)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".acts")).to_contain_text("tried it again")
    page.goto(f"{portal.url}{OPERATIONS}")
    expect(page.get_by_text("Nothing was given up")).to_be_visible()
    page.goto(f"{portal.url}/employees")
    search = page.get_by_label("Type to filter employees")
    for _ in range(100):  # A worker applies it when it is rung for.
        search.fill("")
        search.press_sequentially("grace")
        expect(page.locator(".count")).to_contain_text("found for “grace”")
        if page.get_by_role("link", name="Grace Hopper").count():
            break
    expect(page.get_by_role("link", name="Grace Hopper")).to_be_visible()
