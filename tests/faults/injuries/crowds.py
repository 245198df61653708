"""Faults that are too many at once: clients that want the same resource, and people who look at the workers."""

import http.client
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from services.stack import ports
from tests.faults import requests
from tests.faults.field import Field, repeated

HOT_CLIENTS = 64
GROUP_CLIENTS = 50
FLOWER_PATHS = ("/", "/tasks", "/api/workers?refresh=1", "/api/tasks", "/metrics", "/broker", "/workers?json=1")


@contextmanager
def hot_resource(field: Field) -> Iterator[None]:
    """Let many more clients change one user."""
    with field.workload.crowd(HOT_CLIENTS, requests.of_one_resource):
        yield


@contextmanager
def hot_group(field: Field) -> Iterator[None]:
    """Let many more clients add members to one group, and remove them."""
    with field.workload.crowd(GROUP_CLIENTS, requests.of_one_group):
        yield


@contextmanager
def watched(field: Field) -> Iterator[None]:
    """Let Flower and `celery inspect` ask the workers all the time."""
    field.site.up("flower")
    inspect = field.celery.control.inspect(timeout=0.5)

    def look() -> None:
        for ask in (inspect.ping, inspect.active, inspect.reserved, inspect.stats, inspect.registered):
            ask()

    def browse() -> None:
        for path in FLOWER_PATHS:
            _get(field.site.settings.flower_bind, path)

    with ExitStack() as stack:
        for action in (look, look, browse, browse):
            stack.enter_context(repeated(action, 0.01))
        yield
    field.site.stop_role("flower")


def _get(address: str, path: str) -> None:
    connection = http.client.HTTPConnection(*ports.split(address), timeout=2)
    with suppress(http.client.HTTPException):
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        finally:
            connection.close()
