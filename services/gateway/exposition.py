"""Serve the counters of all processes to Prometheus, to whoever has the token for that.

Any gateway process can answer: the sums are in the database.
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from services.directory import counters, database, tokens
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
    with database.across(engine) as connection:
        counts, ending = counters.totals(connection), tokens.count_ending(connection)
    registry = CollectorRegistry()
    registry.register(_Totals(counts=counts))
    registry.register(_Ending(tokens=ending))
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ending(Collector):
    """How many tokens end soon: an alert on it comes before an identity provider is refused."""

    tokens: Mapping[int, int]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Return the gauge, with a value for each of the days that are warned of."""
        family = GaugeMetricFamily(
            f"{NAMESPACE}_tokens_ending", "Tokens without a successor that end within so many days.", labels=["days"]
        )
        for days, count in sorted(self.tokens.items()):
            family.add_metric([str(days)], count)
        yield family


def _values(counter: Counter, counts: Counts) -> dict[str, int]:
    never = {} if counter.label else {"": 0}
    return never | {value: total for (name, value), total in counts.items() if name == counter.name}
