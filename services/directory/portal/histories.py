"""Show the history of an employee or a role in plain words, filtered by field and by who sent it."""

from collections.abc import Callable, Collection
from functools import partial
from typing import Any
from uuid import UUID

from flask import request
from sqlalchemy import Connection

from services.directory import history_pages, ids, members, region_saving, sources
from services.directory.history_pages import Line, Wanted
from services.directory.portal import cursors, words
from services.directory.portal.desk import me
from services.directory.portal.errors import ToldError
from services.directory.region_placing import REGION
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import USERS

PAGE = 25
RULES = "rules"
"""What the filter by connection calls the rules of regions."""


def page(connection: Connection, resource_type: ResourceType, resource_id: UUID) -> dict[str, Any]:
    """Return what the history tab shows. Raises ToldError when the address says nonsense."""
    fields, by_id = _fields(resource_type), sources.of(connection, me().tenant_id)
    field, source = request.args.get("field", ""), request.args.get("source", "")
    known: dict[str, Callable[[], Collection[UUID]]] = {str(id_): partial(frozenset, {id_}) for id_ in by_id}
    known[RULES] = partial(region_saving.ids, connection, me().tenant_id)
    if (field and field not in fields) or (source and source not in known):
        raise ToldError(400, "There is no such field or connection to filter by.")
    last = cursors.entry(request.args["after"]) if "after" in request.args else None
    wanted = Wanted(
        tenant_id=me().tenant_id,
        resource_id=resource_id,
        attribute=field or None,
        token_ids=known[source]() if source else None,
    )
    lines, has_more = history_pages.page(connection, wanted, last, PAGE)
    names = _names(connection, lines)
    return {
        "entries": [(line, words.told(line.entry, resource_type, names.get)) for line in lines],
        "after": cursors.of_entry(lines[-1].place) if has_more else None,
        "fields": fields,
        "sources": by_id,
        "rules": moved_by(connection, {line.entry.token_id for line in lines} - by_id.keys()),
        "given": {name: value for name, value in (("field", field), ("source", source)) if value},
    }


def moved_by(connection: Connection, rules_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return who saved the rules by which somebody was moved, by the ids that stand where others have a token's."""
    found = region_saving.of_ids(connection, me().tenant_id, rules_ids)
    savers = region_saving.savers(connection, me().tenant_id, {saved.saved_by for saved in found.values()})
    return {id_: savers[saved.saved_by] for id_, saved in found.items()}


def _fields(resource_type: ResourceType) -> dict[str, str]:
    """Return the names by which the history calls attributes, and their labels."""
    named = [
        (attribute.name if schema is resource_type.schema else f"{schema.id}:{attribute.name}", attribute)
        for schema, attribute in resource_type.walk()
    ]
    own = [REGION] if resource_type.name == USERS.name else []
    labels = ((name, words.label(name)) for name in (*own, *(name for name, _ in named)))
    return dict(sorted(labels, key=lambda pair: pair[1]))


def _names(connection: Connection, lines: list[Line] | Any) -> dict[str, str]:
    """Return what the resources are called that changes refer to."""
    values = [change.get(side) for line in lines for change in line.entry.changes for side in ("from", "to")]
    referred = {ids.parse(str(value.get("value"))) for value in values if isinstance(value, dict)}
    names = members.living_names(connection, me().tenant_id, {found for found in referred if found})
    return {str(found): name for found, name in names.items()}
