"""Rules of regions in a real browser: made by hand and by keyboard, previewed, saved, and seen to move people."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from shared.scim.schemas import enterprise
from tests.browser.conftest import SMALL, WIDE, Portal
from tests.factories import employee

REGIONS = "/settings/general/regions"
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
SLOW = 60_000
Picture = Callable[[Page, str], None]


def hire(portal: Portal, department: str, name: str) -> None:
    body = employee(displayName=name, **{enterprise.URN: {"department": department}})
    assert portal.client.post("/Users", json=body).status_code == 201


def make_region(page: Page, portal: Portal, name: str) -> None:
    page.goto(f"{portal.url}{REGIONS}")
    page.get_by_label("Name of a new region").fill(name)
    page.get_by_role("button", name="Make region").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()


def set_rule(page: Page, number: int, attribute: str, operator: str, value: str, region: str) -> None:
    page.get_by_label(f"Attribute of rule {number}").select_option(label=attribute)
    page.get_by_label(f"Compared by rule {number}").select_option(label=operator)
    page.get_by_label(f"With in rule {number}").fill(value)
    page.get_by_label(f"Belongs to by rule {number}").select_option(label=region)


def test_pictures_of_a_rule_from_its_making_to_the_move(portal: Portal, picture: Picture) -> None:
    for number in range(3):
        hire(portal, "Night Patrol", f"Night Guard {number}")
    hire(portal, "Day Patrol", "Day Guard")
    with portal.page() as page:
        for name in ("North", "South"):
            make_region(page, portal, name)
        page.get_by_role("link", name="Edit rules").click()
        page.get_by_role("button", name="Add a rule").click()
        set_rule(page, 1, "Department", "contains", "Patrol", "South")
        page.get_by_role("button", name="Add a rule").click()
        set_rule(page, 2, "Department", "equals", "Night Patrol", "North")
        page.get_by_role("button", name="Rule 2 earlier").click()
        expect(page.get_by_label("With in rule 1")).to_have_value("Night Patrol")
        page.get_by_label("With in rule 1").press("Enter")

        expect(page.get_by_role("heading", name="4 employees would move")).to_be_visible()
        expect(page.locator(".ways")).to_contain_text("North: 3")
        expect(page.locator("tr", has_text="Day Guard")).to_contain_text("South")
        picture(page, "regions")
        page.get_by_role("button", name="Save, and move 4").click()
        expect(page.locator("#moving")).to_contain_text("Everybody is where the rules say; they moved 4", timeout=SLOW)
        page.get_by_role("link", name="North").first.click()
        expect(page.locator(".count")).to_contain_text("3 employees")
        page.get_by_label("Region").select_option(label="South")
        expect(page.locator("a.main-link")).to_have_text(["Day Guard"])
        expect(page).to_have_url(re.compile("region="))
        page.get_by_role("link", name="Day Guard").click()
        expect(page.get_by_text("by rule 2")).to_be_visible()
        page.get_by_role("link", name="History").click()
        expect(page.locator(".story")).to_contain_text("Moved to South")
        expect(page.locator(".story")).to_contain_text("the rules of regions, saved by")


@pytest.mark.parametrize(("width", "colours"), [(w, c) for w in (WIDE, SMALL) for c in ("light", "dark")])
def test_the_pages_of_regions_fit_and_are_readable(portal: Portal, width: int, colours: str, tmp_path: Path) -> None:
    hire(portal, "Warehouse", "Somebody with a name that is quite long for a telephone")
    region = f"Far away {width} {colours}"
    with portal.page(width, colours) as page:
        portal.complaints.clear()
        make_region(page, portal, region)
        look(page, f"regions-{width}-{colours}", tmp_path)
        page.get_by_text("Rename or remove").last.click()
        look(page, f"regions-open-{width}-{colours}", tmp_path)
        page.goto(f"{portal.url}{REGIONS}/rules")
        look(page, f"rules-{width}-{colours}", tmp_path)
        page.get_by_role("button", name="Add a rule").click()
        last = page.locator(".rule").count()
        page.get_by_role("button", name="Preview", exact=True).last.click()
        expect(page.get_by_role("alert")).to_contain_text("choose an attribute")
        set_rule(page, last, "Addresses: country", "not equals", "AT" * 20, region)
        page.get_by_role("button", name="Preview", exact=True).last.click()
        expect(page.locator("#preview")).to_be_visible()
        look(page, f"preview-{width}-{colours}", tmp_path)

    assert portal.complaints == [f for f in portal.complaints if "400" in f]


def test_a_script_in_a_regions_name_does_not_run(portal: Portal) -> None:
    evil, said = "<img src=x onerror=alert(1)>", list[str]()
    with portal.page() as page:
        page.on("dialog", lambda dialog: said.append(dialog.message))
        make_region(page, portal, evil)
        page.goto(f"{portal.url}/employees")
        expect(page.get_by_label("Region")).to_contain_text(evil)
    assert said == []


def look(page: Page, name: str, folder: Path) -> None:
    """Hold a page to what all pages are held to, and keep a picture for who wants to look."""
    page.screenshot(path=str(folder / f"{name}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
    assert page.evaluate(CONTRAST) == [], name
    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("time:not([data-shown])")).to_have_count(0)
