"""Stacks of a test's own, which it may configure and damage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.stack import children, plan, supervisor
from services.stack.children import Sink
from services.stack.plan import Programs
from services.stack.supervisor import Stack


@contextmanager
def lean(data: Path, environ: Mapping[str, str], *beside: str, sink: Sink = children.quiet) -> Iterator[Stack]:
    """Run gateway, worker and beat, on free ports, and what is named beside them: most tests need no pages."""
    programs = Programs(last={name: plan.muster(name) for name in ("beat", *beside)})
    with supervisor.running(
        data, gateway_port=0, flower_port=0, environ=environ, programs=programs, sink=sink
    ) as running:
        yield running
