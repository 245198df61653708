"""Rules that hold for every attribute, table, route and task."""

import ast
from pathlib import Path

import pytest
from sqlalchemy import Table

from services.directory import columns, every_table
from shared import queue
from shared.scim import resource_types
from shared.scim.attributes import Attribute, ResourceType, Stored
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("services", "shared") for path in sorted((ROOT / folder).rglob("*.py"))]
EVERY = [(kind, schema, attribute) for kind in resource_types.ALL for schema, attribute in kind.walk()]


@pytest.mark.parametrize(("kind", "schema", "attribute"), EVERY, ids=lambda value: getattr(value, "name", None))
def test_every_attribute_is_kept_as_it_says(kind: ResourceType, schema: object, attribute: Attribute) -> None:
    kept = [column for column in columns.of(kind) if column.attribute is attribute]

    match attribute.stored:
        case Stored.COLUMNS:
            assert kept
        case Stored.DOCUMENT:
            assert len(kept) == 1
            assert attribute.multi_valued
        case Stored.ROWS | Stored.COMPUTED | Stored.BAG:
            assert not kept


def test_columns_have_names_of_their_own() -> None:
    for kind in resource_types.ALL:
        names = [column.name for column in columns.of(kind)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("table", every_table.EVERY, ids=lambda table: table.name)
def test_every_table_of_a_customers_belongings_has_its_tenant(table: Table) -> None:
    ours = {"tenant", "shard", "shared_key", "signing_key", "counter"}
    notes_of_a_day = {
        "unanswered",
        "idempotency_key",
        "used_assertion",
        "sign_in_attempt",
    }  # Ids and digests, of operations that have their tenant.

    assert (table.name in ours | notes_of_a_day) or "tenant_id" in table.c


def test_every_scheduled_task_is_one_that_a_worker_has(servers: Settings) -> None:
    celery = queue.create(servers)
    scheduled = {entry["task"] for entry in celery.conf.beat_schedule.values()}

    assert scheduled == {queue.SWEEP, queue.MAINTAIN}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_says_what_it_is_for(path: Path) -> None:
    if "versions" in path.parts or path.name == "env.py":
        return
    tree = ast.parse(path.read_text())

    docstring = ast.get_docstring(tree) or ""

    assert docstring.partition("\n")[0].endswith((".", ":", "(RFC 7644 section 3.5.2).")), path
    if path.name == "__init__.py":
        assert len(tree.body) == 1, "a package's __init__ holds a docstring and nothing else"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_imported_inside_a_function(path: Path) -> None:
    inside = [
        node.lineno
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    assert inside == []
