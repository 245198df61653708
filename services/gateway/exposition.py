"""Serve the counters of all processes to Prometheus, to whoever has the token for that.

Any gateway process can answer: the sums are in the database.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from services.directory import counters, database
from services.gateway import auth
from services.gateway.guard import Guard
from shared.metrics import EVERY, Counter, Counts
from shared.scim.errors import NotFoundError, UnauthorizedError

PATH = "/metrics"
NAMESPACE = "muster"


def blueprint(engine: Engine, token: str, guard: Guard) -> Blueprint:
    """Return the route; without a token configured nobody is answered."""
    routes = Blueprint("metrics", __name__)
    routes.add_url_rule(PATH, view_func=lambda: _metrics(engine, token, guard), endpoint="metrics")
    return routes


def _metrics(engine: Engine, token: str, guard: Guard) -> Response:
    if not token:
        raise NotFoundError("There are no metrics here: MUSTER_METRICS_TOKEN is not set")
    shown = auth.bearer(request)
    if not hmac.compare_digest(shown.encode(), token.encode()):
        guard.note_wrong(request.remote_addr or "")
        raise UnauthorizedError("This is not the token for metrics")
    guard.note_right(shown)
    with database.transaction(engine) as connection:
        counts = counters.totals(connection)
    registry = CollectorRegistry()
    registry.register(_Totals(counts=counts))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Totals(Collector):
    """The sums, in the form that the library writes out; a counter that never happened is 0."""

    counts: Counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return every counter, one after the other."""
        for counter in EVERY:
            labels = [counter.label] if counter.label else []
            family = CounterMetricFamily(f"{NAMESPACE}_{counter.name}", counter.doc, labels=labels)
            for value, total in _values(counter, self.counts).items():
                family.add_metric([value] if counter.label else [], total)
            yield family


def _values(counter: Counter, counts: Counts) -> dict[str, int]:
    never = {} if counter.label else {"": 0}
    return never | {value: total for (name, value), total in counts.items() if name == counter.name}
