"""Regions as an operator sees them: made, renamed, removed; rules in a file, previewed and put in force."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from services.cli import main
from services.directory import audit_reading, database, region_files, region_saving, regions
from services.directory.audit_chain import Action
from services.directory.region_rules import HQ, Operator, Rule
from shared.settings import Settings
from tests.factories import Tenant
from tests.integration.test_region_moves import Company

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "region-rules.toml"
RULES = """
[[rule]]
attribute = "department"
operator = "equals"
value = "Sales"
region = "north"

[[rule]]
attribute = "title"
operator = "is present"
region = "HQ"
"""


@pytest.fixture
def environ(servers: Settings, engine: Engine) -> dict[str, str]:
    return {"MUSTER_DATABASE_URL": servers.database_url, "MUSTER_BROKER_URL": servers.broker_url}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "rules.toml"
    made.write_text(RULES)
    return made


def muster(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(main, ["region", *arguments], env=environ)


def test_regions_are_made_renamed_and_removed(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    slug = tenant.principal.tenant
    Company(tenant=tenant, engine=engine).hire()

    said = [
        muster(environ, *command).exit_code
        for command in (
            ("add", slug, "North"),
            ("add", slug, "Shed"),
            ("rename", slug, "north", "Far North"),
            ("rename", slug, "HQ", "Main office"),
            ("remove", slug, "shed"),
        )
    ]

    listed = [line.split() for line in muster(environ, "list", slug).stdout.splitlines()]
    assert said == [0] * 5
    assert listed == [["region", "employees", "rules"], ["Main", "office", "1"], ["Far", "North", "0"]]
    with database.transaction(engine) as connection:
        actions = [row.action for row in audit_reading.newest(connection, tenant.principal.tenant_id, 5)]
    assert actions == [
        *(Action.REGION_REMOVED, Action.REGION_RENAMED, Action.REGION_RENAMED),
        *(Action.REGION_CREATED, Action.REGION_CREATED),
    ]


def test_rules_are_previewed_applied_and_shown(
    engine: Engine, environ: dict[str, str], tenant: Tenant, file: Path
) -> None:
    slug, company = tenant.principal.tenant, Company(tenant=tenant, engine=engine)
    for title in ("Clerk", None, None):
        company.hire(title=title)
    muster(environ, "add", slug, "North")

    preview = muster(environ, "rules", "preview", slug, str(file))
    with database.transaction(engine) as connection:
        assert region_saving.newest(connection, tenant.principal.tenant_id) is None
    applied = muster(environ, "rules", "apply", slug, str(file), "--number", "0")
    stale = muster(environ, "rules", "apply", slug, str(file), "--number", "0")
    shown = muster(environ, "rules", "show", slug)
    again = muster(environ, "rules", "again", slug)

    assert [line.split() for line in preview.stdout.splitlines()][1] == ["HQ", "North", "3"]
    assert "3 would move" in preview.stderr
    assert (applied.exit_code, "3 employees are to move" in applied.stderr) == (0, True)
    assert (stale.exit_code, "in force is number 1" in stale.stderr) == (1, True)
    assert 'value = "Sales"\nregion = "North"' in shown.stdout
    assert "0 moves, 3 employees are still elsewhere" in shown.stderr
    assert again.exit_code == 0
    with database.transaction(engine) as connection:
        names = {each.name.lower(): each.id for each in regions.every(connection, tenant.principal.tenant_id)}
        saved = region_saving.newest(connection, tenant.principal.tenant_id)
    assert saved is not None
    assert region_files.parse(shown.stdout, names) == saved.rules


def test_the_example_of_the_documents_can_be_applied(engine: Engine, environ: dict[str, str], tenant: Tenant) -> None:
    for name in ("North", "South"):
        muster(environ, "add", tenant.principal.tenant, name)

    applied = muster(environ, "rules", "apply", tenant.principal.tenant, str(EXAMPLE))

    assert (applied.exit_code, applied.stderr.split(";")[0].endswith("as number 1")) == (0, True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("this is no toml", "This is not TOML"),
        ("[rules]\n", "tables [[rule]] and nothing else"),
        ("rule = 7\n", "tables [[rule]] and nothing else"),
        ("rule = [7]\n", "tables [[rule]] and nothing else"),
        (RULES.replace("equals", "is like"), "Rule 1: the operator is one of"),
        (RULES.replace('"north"', '"Nowhere"'), "Rule 1: there is no region 'Nowhere'"),
        (RULES.replace("value =", "values ="), "nothing called 'values'"),
        (RULES.replace('"Sales"', "7"), "Rule 1: value stands in quotes"),
        (RULES.replace('"Sales"', '""'), "Rule 1: say what"),
        (RULES.replace("department", "password"), "Rule 1: password cannot be compared"),
        (RULES.replace("Sales", "x" * 10_000), "at most 200 characters"),
        ("x" * 1_000_001, "more than 1000000 characters"),
        ("\ud800", "TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(
    engine: Engine, environ: dict[str, str], tenant: Tenant, tmp_path: Path, text: str, told: str
) -> None:
    slug, file = tenant.principal.tenant, tmp_path / "rules.toml"
    file.write_bytes(text.encode(errors="replace"))
    muster(environ, "add", slug, "North")

    refused = muster(environ, "rules", "apply", slug, str(file))

    assert (refused.exit_code, refused.exception.__class__) == (1, SystemExit)
    assert told in refused.stderr
    with database.transaction(engine) as connection:
        assert region_saving.newest(connection, tenant.principal.tenant_id) is None


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("add", "{}", "hq"), "There is a region 'hq' already"),
        (("add", "{}", "x" * 101), "1 to 100 characters"),
        (("add", "nobody", "North"), "There is no tenant"),
        (("rename", "{}", "Nowhere", "North"), "There is no region 'Nowhere'"),
        (("remove", "{}", "HQ"), "stays"),
        (("rules", "again", "{}"), "has no rules"),
        (("rules", "show", "nobody"), "There is no tenant"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    environ: dict[str, str], tenant: Tenant, command: tuple[str, ...], told: str
) -> None:
    refused = muster(environ, *(word.replace("{}", tenant.principal.tenant) for word in command))

    assert refused.exit_code == 1
    assert told in refused.stderr


def test_any_text_can_be_written_and_read() -> None:
    odd = 'a"b\\c \x7f\t\x00\u2028é'
    rules = [Rule(attribute=odd, operator=Operator.CONTAINS, value=odd, region=HQ)]

    read = region_files.parse(region_files.write(rules, {HQ: odd}), {odd.strip().lower(): HQ})

    assert [(each.attribute, each.value, each.region) for each in read] == [(odd.strip(), odd.strip(), HQ)]
