"""Serve queries: lists by GET, `.search` by POST, on one type or on all; by index or by cursor."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from flask import Blueprint, Response, g, request
from sqlalchemy import Engine

from services.directory import database, keys, listing, lookups
from services.directory.listing import Found, Key, Listing, Source
from services.directory.queries import Wants
from services.gateway import permissions, requests, responses
from services.gateway.cursors import Cursor, Cursors
from services.gateway.flushing import ToleranceCounter
from shared.scim import filters, messages, projection, resource_types, searches
from shared.scim.attributes import ResourceType
from shared.scim.dialects.tolerances import Used
from shared.scim.errors import InvalidCountError
from shared.scim.projection import Projection
from shared.scim.searches import Search
from shared.settings import Settings

SECRET = "cursor"  # noqa: S105 - the name of a secret.


@dataclass(frozen=True)
class Searching:
    """What queries need."""

    settings: Settings
    engine: Engine
    counter: ToleranceCounter

    def blueprint(self) -> Blueprint:
        """Return the routes: a list and a `.search` for each type, and for all of them together."""
        routes = Blueprint("searching", __name__)
        for name, endpoint, types in self._scopes():
            answer = partial(self._answer, types)
            routes.add_url_rule(
                endpoint or "/", endpoint=f"list {name}", view_func=partial(self._list, answer), methods=["GET"]
            )
            routes.add_url_rule(
                f"{endpoint}/.search",
                endpoint=f"search {name}",
                view_func=partial(self._search, answer),
                methods=["POST"],
            )
        return routes

    def _scopes(self) -> list[tuple[str, str, tuple[ResourceType, ...]]]:
        single = [(t.name, t.endpoint, (t,)) for t in resource_types.ALL]
        return [*single, ("all", "", resource_types.ALL)]

    def _list(self, answer: Any) -> Response:
        response: Response = answer(searches.of_parameters(requests.parameters(request)))
        return response

    def _search(self, answer: Any) -> Response:
        g.document = requests.document(request, self.settings.max_body_bytes)
        response: Response = answer(searches.of_message(g.document))
        return response

    def _answer(self, built_in: tuple[ResourceType, ...], search: Search) -> Response:
        g.search = search
        types = tuple(g.catalogue.by_name[each.name] for each in permissions.visible(g.principal, built_in))
        shown = self._projections(types, search)
        wanted = Listing(
            tenant_id=g.principal.tenant_id,
            sources=tuple(_sources(types, search)),
            is_sorted=search.sort_by is not None,
            is_descending=search.is_descending,
        )
        if search.cursor is None:
            return self._by_index(search, wanted, shown)
        return self._by_cursor(search, wanted, shown, types)

    def _projections(self, types: Sequence[ResourceType], search: Search) -> list[Projection]:
        used: Used = set()
        shown = [projection.parse(search.attributes, search.excluded, each, used) for each in types]
        self.counter.note(g.principal.tenant_id, used)
        return shown

    def _by_index(self, search: Search, wanted: Listing, shown: Sequence[Projection]) -> Response:
        start = max(1, 1 if search.start_index is None else search.start_index)
        size = max(0, self.settings.default_page if search.count is None else search.count)
        size = min(size, self.settings.max_page)
        matching = lookups.matching(self.engine, wanted, size, _wants(shown)[0]) if start == 1 and size else None
        if matching is not None:
            g.total = len(matching)
            return responses.scim(
                messages.list_response(self._shown(matching, shown), total=len(matching), start_index=1)
            )
        with database.transaction(self.engine, g.principal.tenant_id) as connection:
            found = listing.at(connection, wanted, start - 1, size, _wants(shown)) if size else []
            is_last = 0 < len(found) < size or (start == 1 and size > 0 and not found)
            total = start - 1 + len(found) if is_last else listing.count(connection, wanted)
        g.total = total
        return responses.scim(messages.list_response(self._shown(found, shown), total=total, start_index=start))

    def _by_cursor(
        self, search: Search, wanted: Listing, shown: Sequence[Projection], types: Sequence[ResourceType]
    ) -> Response:
        query = (g.principal.tenant_id, g.principal.token_id, [each.name for each in types], *search.same())
        size = self._page_size(search)
        cursor = self.cursors.read(search.cursor, query, search.count) if search.cursor else None
        size = cursor.count if cursor else size
        with database.transaction(self.engine, g.principal.tenant_id) as connection:
            total = cursor.total if cursor else listing.count(connection, wanted)
            last = cursor.last if cursor else None
            found = listing.behind(connection, wanted, last, size + 1, _wants(shown)) if size else []
        page, has_more = found[:size], len(found) > size
        following = self._next(page[-1].key, size, total, query) if has_more else None
        return responses.scim(messages.cursor_response(self._shown(page, shown), total=total, next_cursor=following))

    def _page_size(self, search: Search) -> int:
        if search.count is None:
            return self.settings.default_page
        if search.count > self.settings.max_page:
            raise InvalidCountError(f"count must be at most {self.settings.max_page}")
        return max(0, search.count)

    def _next(self, last: Key, size: int, total: int, query: tuple[object, ...]) -> str:
        return self.cursors.write(Cursor(last=last, count=size, total=total), query)

    @cached_property
    def cursors(self) -> Cursors:
        """The signer of cursors, whose secret is read when it is first needed."""
        with database.transaction(self.engine) as connection:
            return Cursors(keys.shared(connection, SECRET), self.settings.cursor_seconds)

    def _shown(self, found: Sequence[Found], shown: Sequence[Projection]) -> list[dict[str, Any]]:
        base = responses.base_url(g.principal, self.settings.public_url)
        return [responses.represent(each.resource, each.resource_type, shown[each.key.kind], base)[0] for each in found]


def _wants(shown: Sequence[Projection]) -> list[Wants]:
    return [partial(projection.wants, each) for each in shown]


def _sources(types: Sequence[ResourceType], search: Search) -> Iterator[Source]:
    """Resolve filter and sort path for each type. Raises InvalidFilterError and InvalidPathError."""
    for resource_type in types:
        filter_ = None if search.filter is None else filters.parse(search.filter, resource_type, types)
        sort = None if search.sort_by is None else searches.sort_path(search.sort_by, resource_type, types)
        yield Source(resource_type=resource_type, filter=filter_, sort=sort)
