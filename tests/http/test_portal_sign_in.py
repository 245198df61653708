"""Who gets into the staff portal, how, and for how long."""

from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.directory import admin_passwords, admins, database, erasing, ids, sign_ins
from services.directory.permissions import Permission
from shared.settings import Settings
from tests.browsing import EVERYTHING, Browser, made_link, signed_in
from tests.factories import Client, patch, replace

PASSWORD = "vier-lose-woerter-am-zaun"


@pytest.fixture
def browser(stack: Settings) -> Iterator[Browser]:
    """A stranger's browser."""
    with Browser(stack.portal_url) as opened:
        yield opened


@pytest.fixture
def email(stack_engine: Engine, client: Client) -> str:
    """The address of an admin with a password."""
    address = f"{ids.new()}@admins.example"
    with database.transaction(stack_engine) as connection:
        admins.create(connection, client.tenant.principal.tenant_id, address, admin_passwords.hashed(PASSWORD))
    return address


def test_the_right_password_lets_in_and_signing_out_ends_it(browser: Browser, email: str) -> None:
    entered = browser.submit("/sign-in", email=email.upper(), password=PASSWORD, next="/employees?q=x")

    assert (entered.status_code, entered.headers["Location"]) == (303, "/employees?q=x")
    assert browser.get("/employees").status_code == 200

    session = browser.cookies["muster-session"]
    browser.submit("/account", "/sign-out")
    browser.cookies.set("muster-session", session)

    assert browser.get("/employees").headers["Location"].startswith("/sign-in")


def test_a_session_cookie_is_kept_from_scripts_and_from_other_sites(browser: Browser, email: str) -> None:
    entered = browser.submit("/sign-in", email=email, password=PASSWORD)

    cookie = next(c for c in entered.headers.get_list("Set-Cookie") if c.startswith("muster-session="))
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    with_https = {"Secure"}  # The stack of the tests speaks http, so the cookie must not be secure.
    assert not with_https & set(cookie.split("; "))


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
def test_signing_in_leads_nowhere_else(browser: Browser, email: str, next_: str) -> None:
    entered = browser.submit("/sign-in", email=email, password=PASSWORD, next=next_)

    assert entered.headers["Location"] == "/"


def test_an_unknown_address_and_a_wrong_password_are_told_the_same(browser: Browser, email: str) -> None:
    wrong = browser.submit("/sign-in", email=email, password="not the password")
    unknown = browser.submit("/sign-in", email="nobody@admins.example", password="not the password")

    assert (wrong.status_code, unknown.status_code) == (403, 403)
    assert wrong.text.replace(email, "") == unknown.text.replace("nobody@admins.example", "")


def test_too_many_attempts_lock_out_even_the_right_password(browser: Browser, email: str, stack_engine: Engine) -> None:
    with database.transaction(stack_engine) as connection:
        subject = sign_ins.Subject(sign_ins.EMAIL, email)
        for _ in range(sign_ins.MOST[sign_ins.EMAIL]):
            assert not sign_ins.is_locked_out(connection, subject)

    refused = browser.submit("/sign-in", email=email, password=PASSWORD)

    assert refused.status_code == 429
    assert "too many attempts" in refused.text


def test_a_lock_out_ends(browser: Browser, email: str, stack_engine: Engine) -> None:
    subject = sign_ins.Subject(sign_ins.EMAIL, email)
    with database.transaction(stack_engine) as connection:
        for _ in range(sign_ins.MOST[sign_ins.EMAIL] + 1):
            sign_ins.is_locked_out(connection, subject)
        connection.execute(text("UPDATE sign_in_attempt SET ends_at = now() WHERE subject = :s"), {"s": subject.digest})

    assert browser.submit("/sign-in", email=email, password=PASSWORD).status_code == 303


def test_a_form_from_elsewhere_is_refused(browser: Browser, email: str) -> None:
    without = browser.post("/sign-in", data={"email": email, "password": PASSWORD})
    browser.get("/sign-in")
    wrong = browser.post("/sign-in", data={"email": email, "password": PASSWORD, "csrf": "0" * 64})

    assert (without.status_code, wrong.status_code) == (403, 403)
    assert "muster-session" not in browser.cookies


def test_an_address_with_a_nul_is_nobodys(browser: Browser, email: str) -> None:
    """PostgreSQL takes no such text."""
    answer = browser.submit("/sign-in", email=f"{email}\x00", password="x" * 20)

    assert answer.status_code == 403
    assert 'role="alert"' in answer.text


def test_a_form_that_another_site_sends_is_refused_though_its_word_is_right(browser: Browser, email: str) -> None:
    browser.headers["Sec-Fetch-Site"] = "cross-site"

    assert browser.submit("/sign-in", email=email, password=PASSWORD).status_code == 403


def test_a_link_works_once(stack: Settings, stack_engine: Engine, client: Client, browser: Browser) -> None:
    link = made_link(stack, stack_engine, client.tenant, EVERYTHING, f"{ids.new()}@admins.example")
    code = urlsplit(link).fragment

    first = browser.submit(admins.LINK_PATH, code=code)
    with Browser(stack.portal_url) as other:
        second = other.submit(admins.LINK_PATH, code=code)

    assert (first.status_code, second.status_code) == (303, 403)
    assert "has been used" in second.text


@pytest.mark.parametrize("column", ["ends_at = now()", "seen_at = now() - interval '3 hours'"])
def test_a_session_ends_when_it_is_old_or_idle(
    stack: Settings, stack_engine: Engine, client: Client, column: str
) -> None:
    with signed_in(stack, stack_engine, client.tenant) as browser:
        assert browser.get("/employees").status_code == 200
        with database.transaction(stack_engine) as connection:
            connection.execute(
                text(f"UPDATE portal_session SET {column} WHERE tenant_id = :t"),  # noqa: S608
                {"t": client.tenant.principal.tenant_id},
            )

        assert browser.get("/employees").status_code == 303


def test_another_password_must_be_strong_and_ends_other_sessions(
    stack: Settings, stack_engine: Engine, client: Client
) -> None:
    with signed_in(stack, stack_engine, client.tenant) as browser, Browser(stack.portal_url) as other:
        weak = browser.submit("/account", "/account/password", password="password1234")
        same = browser.submit("/account", "/account/password", password=browser.email)
        strong = browser.submit("/account", "/account/password", password=PASSWORD)
        other.submit("/sign-in", email=browser.email, password=PASSWORD)
        unknown = other.submit("/account", "/account/password", password=PASSWORD + "2", present="a wrong one")
        changed = other.submit("/account", "/account/password", password=PASSWORD + "2", present=PASSWORD)

        assert (weak.status_code, same.status_code, strong.status_code) == (400, 400, 303)
        assert (unknown.status_code, changed.status_code) == (403, 303)
        assert other.get("/employees").status_code == 200
        assert browser.get("/employees").status_code == 303


def test_an_admin_who_leaves_the_company_is_out(stack: Settings, stack_engine: Engine, client: Client) -> None:
    email = f"{ids.new()}@admins.example"
    user = client.create_user(userName=email)
    with signed_in(stack, stack_engine, client.tenant, email=email) as browser:
        assert browser.get("/employees").status_code == 200

        client.patch(f"/Users/{user['id']}", json=patch(replace("active", "False")))
        disabled = browser.get("/employees").status_code
        client.patch(f"/Users/{user['id']}", json=patch(replace("active", "True")))
        back = browser.get("/employees").status_code
        client.delete(f"/Users/{user['id']}")
        gone = browser.get("/employees").status_code

        assert (disabled, back, gone) == (303, 200, 303)


def test_a_role_permits_what_is_attached_to_it(stack: Settings, stack_engine: Engine, client: Client) -> None:
    email = f"{ids.new()}@admins.example"
    user = client.create_user(userName=email)
    role = client.create_group(members=[{"value": user["id"]}])
    permissions = f"/settings/general/roles/{role['id']}/permissions"
    with (
        signed_in(stack, stack_engine, client.tenant, frozenset(), email) as member,
        signed_in(stack, stack_engine, client.tenant) as admin,
    ):
        before = member.get("/employees").status_code
        admin.submit(permissions, permission=["view", "roles"])
        during = member.get("/employees").status_code
        beyond = member.submit(permissions, permission=["view", "roles", "admin"])
        admin.submit(permissions)
        after = member.get("/employees").status_code

        assert (before, during, beyond.status_code, after) == (403, 200, 403, 403)
        assert "do not have this yourself" in beyond.text
        assert admin.email in admin.get(permissions).text


def test_a_provisioning_token_makes_nobody_an_admin(
    stack: Settings, stack_engine: Engine, client: Client, browser: Browser
) -> None:
    email = f"{ids.new()}@admins.example"
    user = client.create_user(userName=email, password=PASSWORD)
    group = client.create_group(members=[{"value": user["id"]}])
    with signed_in(stack, stack_engine, client.tenant) as admin:
        admin.submit(f"/settings/general/roles/{group['id']}/permissions", permission=["admin"])

    assert browser.submit("/sign-in", email=email, password=PASSWORD).status_code == 403


def test_whoever_has_no_permission_is_told_so(stack: Settings, stack_engine: Engine, client: Client) -> None:
    with signed_in(stack, stack_engine, client.tenant, frozenset()) as browser:
        home = browser.get("/", follow_redirects=True)

        assert home.url.path == "/account"
        assert "You have no permissions yet" in home.text


def test_the_session_knows_what_changed_meanwhile(stack: Settings, stack_engine: Engine, client: Client) -> None:
    with signed_in(stack, stack_engine, client.tenant, frozenset({Permission.VIEW})) as browser:
        allowed = browser.get("/employees").status_code
        with database.transaction(stack_engine) as connection:
            connection.execute(text("DELETE FROM admin WHERE email = :e"), {"e": browser.email})

        assert (allowed, browser.get("/employees").status_code) == (200, 303)


def test_an_admin_who_is_erased_is_no_admin(stack: Settings, stack_engine: Engine, client: Client) -> None:
    email = f"{ids.new()}@admins.example"
    user = client.create_user(userName=email)
    with signed_in(stack, stack_engine, client.tenant, email=email) as browser:
        before = browser.get("/employees").status_code
        erasing.erase(stack_engine, client.tenant.principal.tenant_id, UUID(user["id"]), "test")

        assert (before, browser.get("/employees").status_code) == (200, 303)
    with database.transaction(stack_engine) as connection:
        assert admins.find(connection, email) is None
