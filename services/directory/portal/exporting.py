"""Export employees as CSV: streamed, so that a hundred thousand need no memory; safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterator, Mapping
from functools import partial
from uuid import UUID

from flask import Response, stream_with_context

from services.directory import employee_list, regions, sources
from services.directory.employee_list import Line, Wanted
from services.directory.permissions import Permission
from services.directory.portal import employees
from services.directory.portal.desk import Desk, me
from services.directory.portal.routes import Route
from services.directory.sources import Source

AT_ONCE = 1_000
COLUMNS = (
    "Name",
    "User name",
    "E-mail",
    "Employee number",
    "Region",
    "Department",
    "Title",
    "Manager",
    "Status",
    "Source",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def routes(desk: Desk) -> Iterator[Route]:
    """Yield the routes of this module."""
    yield Route(rule="/employees.csv", endpoint="employees_csv", view=partial(_export, desk), needs=Permission.VIEW)


def _export(desk: Desk) -> Response:
    with desk.transaction() as connection:
        names = regions.names(connection, me().tenant_id)
        asked, by_id = employees.wanted(names), sources.of(connection, me().tenant_id)
    rows = stream_with_context(_rows(desk, asked, by_id, names))
    headers = {"Content-Disposition": 'attachment; filename="employees.csv"'}
    return Response(rows, content_type="text/csv; charset=utf-8", headers=headers)


def _rows(desk: Desk, asked: Wanted, by_id: dict[UUID, Source], names: Mapping[str, str]) -> Iterator[str]:
    """Yield the file in pieces, each read in a transaction of its own: nobody's slow network holds one open."""
    yield "\ufeff" + _csv([COLUMNS])  # The mark tells spreadsheets that it is UTF-8.
    last = None
    while True:
        with desk.transaction() as connection:
            page = employee_list.after(connection, asked, last, AT_ONCE)
        if page.lines:
            yield _csv([_cells(line, by_id, names) for line in page.lines])
            last = page.last
        if not page.has_later:
            return


def _cells(line: Line, by_id: dict[UUID, Source], names: Mapping[str, str]) -> tuple[str, ...]:
    status = "inactive" if line.is_active is False else "active"
    source = by_id.get(line.source) if line.source else None
    region = names.get(line.region, line.region)
    own = (line.name, line.user_name, line.email, line.employee_number, region, line.department, line.title)
    return tuple(harmless(cell or "") for cell in (*own, line.manager, status, source and source.name))


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _csv(rows: list[tuple[str, ...]]) -> str:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()
