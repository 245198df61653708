"""Every route of the portal, as a stranger, as another tenant's admin, and as an admin without the permission."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from services.directory import database, region_saving, regions
from services.directory.permissions import INCLUDES, Permission
from services.directory.portal import app, streams
from services.directory.portal.routes import Anyone, Route
from services.directory.region_rules import Operator, Rule
from shared.settings import Settings
from tests.browsing import Browser, signed_in, streamed
from tests.factories import Client, patch, replace, role

SECRET_NAME = "Nobody else may read this name"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What one tenant has, and an admin of it and of another tenant."""

    ids: dict[str, str]
    admin: Browser
    other: Browser


@pytest.fixture(scope="session")
def routes(stack: Settings) -> Iterator[list[Route]]:
    """Every route of the portal."""
    made = app.create(stack)
    yield list(made.extensions["routes"].values())
    made.extensions["running"].stop()


@pytest.fixture
def place(stack: Settings, stack_engine: Engine, client: Client, stranger: Client) -> Iterator[Place]:
    """A tenant with one of everything."""
    user = client.create_user(displayName=SECRET_NAME)
    group = client.create_group(displayName=SECRET_NAME, members=[{"value": user["id"]}])
    with (
        signed_in(stack, stack_engine, client.tenant) as admin,
        signed_in(stack, stack_engine, stranger.tenant) as other,
    ):
        [operation] = {
            link.rpartition("/")[2]
            for link in admin.links(f"/settings/general/roles/{group['id']}/history")
            if link.startswith("/operations/")
        }
        with database.transaction(stack_engine) as connection:
            region = regions.create(connection, client.tenant.principal.tenant_id, SECRET_NAME).id
        yield Place(
            ids={
                "employee_id": user["id"],
                "role_id": group["id"],
                "token_id": str(client.tenant.principal.token_id),
                "operation_id": operation,
                "guide": "entra",
                "region_id": region,
            },
            admin=admin,
            other=other,
        )


def ask(browser: Browser, route: Route, ids: dict[str, str]) -> httpx.Response:
    path = route.rule
    for name, value in {"digest": "0" * 12, "name": "portal.css", **ids}.items():
        path = path.replace(f"<{name}>", value)
    if route.is_stream:
        return first_event(browser, path)
    if route.methods == ("GET",):
        return browser.get(path)
    word = {"csrf": "", "overlap": "7"}
    account = browser.get("/account")
    if account.status_code == 200:
        word["csrf"] = account.text.partition('name="csrf" value="')[2][:64]
    return browser.post(path, data=word)


def first_event(browser: Browser, path: str) -> httpx.Response:
    """Return what a stream begins with, or the whole of what was answered instead."""
    with streamed(browser, path) as (response, events):
        if response.headers.get("Content-Type") == streams.MEDIA_TYPE:
            return httpx.Response(response.status_code, headers=response.headers, text=next(events).data)
        response.read()
    return response


def test_a_stranger_gets_in_nowhere(stack: Settings, routes: list[Route], place: Place) -> None:
    with Browser(stack.portal_url) as stranger:
        for route in routes:
            if route.needs is Anyone.STRANGER:
                continue
            response = ask(stranger, route, place.ids)

            assert (response.status_code, SECRET_NAME in response.text) == (303, False), route
            assert response.headers["Location"].startswith("/sign-in?next="), route


def test_what_lets_strangers_in_is_known(routes: list[Route]) -> None:
    open_ = {route.rule for route in routes if route.needs is Anyone.STRANGER}

    assert open_ == {"/healthz", "/readyz", "/sign-in", "/sign-in/link", "/static/<digest>/<name>"}


def test_another_tenants_admin_finds_nothing_as_if_there_were_nothing(routes: list[Route], place: Place) -> None:
    for route in routes:
        if "_id>" not in route.rule:
            continue
        nothing = {name: value if name == "guide" else str(uuid4()) for name, value in place.ids.items()}
        foreign, absent = ask(place.other, route, place.ids), ask(place.other, route, nothing)

        assert (foreign.status_code, absent.status_code) == (404, 404), route
        assert _same(foreign) == _same(absent), route


def test_what_has_no_id_shows_nothing_of_another_tenant(routes: list[Route], place: Place) -> None:
    for route in routes:
        if route.methods == ("GET",) and "_id>" not in route.rule:
            assert SECRET_NAME not in ask(place.other, route, place.ids).text, route


def test_an_admin_sees_the_own_tenant(routes: list[Route], place: Place) -> None:
    """Else the tests above would be right of pages that nobody gets."""
    for route in routes:
        if route.methods == ("GET",) and "<digest>" not in route.rule:
            assert ask(place.admin, route, place.ids).status_code in {200, 303}, route


@pytest.mark.parametrize("permission", [None, *Permission])
def test_an_admin_without_the_permission_gets_in_nowhere(
    stack: Settings,
    stack_engine: Engine,
    client: Client,
    routes: list[Route],
    place: Place,
    permission: Permission | None,
) -> None:
    granted = frozenset({permission}) if permission else frozenset()
    has = INCLUDES[permission] if permission else set()
    with signed_in(stack, stack_engine, client.tenant, granted) as browser:
        for route in routes:
            if isinstance(route.needs, Permission) and route.needs not in has:
                response = ask(browser, route, place.ids)

                assert (response.status_code, SECRET_NAME in response.text) == (403, False), route


def test_a_form_without_its_word_changes_nothing(routes: list[Route], place: Place) -> None:
    for route in routes:
        if route.methods == ("POST",):
            path = route.rule
            for name, value in place.ids.items():
                path = path.replace(f"<{name}>", value)

            assert place.admin.post(path, data={"overlap": "7"}).status_code == 403, route


@pytest.mark.parametrize("wrong", ["1", "%00", "a" * 300, "'", "01a20b91-667d-7703-ADF1-016c9ddc1b9b"])
def test_a_malformed_id_is_not_found(routes: list[Route], place: Place, wrong: str) -> None:
    for route in routes:
        if route.methods == ("GET",) and "_id>" in route.rule:
            assert ask(place.admin, route, dict.fromkeys(place.ids, wrong)).status_code == 404, route


def test_every_answer_carries_the_security_headers(routes: list[Route], place: Place) -> None:
    for route in routes:
        headers = ask(place.admin, route, place.ids).headers

        policy = headers["Content-Security-Policy"]
        assert "unsafe" not in policy, route
        assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= set(
            policy.split("; ")
        )
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert not any(character.isdigit() for character in headers.get("Server", ""))


def test_no_page_has_a_script_or_style_of_its_own(routes: list[Route], place: Place) -> None:
    for route in routes:
        page = ask(place.admin, route, place.ids).text if route.methods == ("GET",) else ""

        assert " style=" not in page, route
        assert " onclick=" not in page, route
        assert "<script>" not in page, route
        assert "//cdn" not in page, route


def test_a_script_in_a_name_is_shown_as_text(stack: Settings, stack_engine: Engine, client: Client) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    user = client.create_user(displayName=evil, title=evil, name={"givenName": evil})
    group = client.create_group(**role(displayName=evil, members=[{"value": user["id"]}]))
    with database.transaction(stack_engine) as connection:
        regions.create(connection, client.tenant.principal.tenant_id, evil)
        [_, made] = regions.every(connection, client.tenant.principal.tenant_id)
        rule = Rule(attribute="title", operator=Operator.EQUALS, value=evil, region=made.id)
        region_saving.save(connection, client.tenant.principal.tenant_id, [rule], 0, evil)
    client.patch(f"/Users/{user['id']}", json=patch(replace("nickName", "Eve")))
    with signed_in(stack, stack_engine, client.tenant) as browser:
        for page in (
            "/employees",
            f"/employees/{user['id']}",
            f"/employees/{user['id']}/history",
            f"/employees/{user['id']}/roles",
            "/employees?q=%3Cscript%3Ealert",
            "/settings/general/roles",
            "/settings/general/regions",
            "/settings/general/regions/rules",
            f"/settings/general/roles/{group['id']}",
            f"/settings/general/roles/{group['id']}/history",
        ):
            shown = browser.get(page)

            assert shown.status_code == 200
            assert "<script>alert" not in shown.text, page
            assert "<img src=x" not in shown.text, page
            assert "&lt;script&gt;alert" in shown.text, page


def _same(response: httpx.Response) -> str:
    return response.text.replace(response.headers["X-Request-ID"], "")
