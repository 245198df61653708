"""Faults of the network between the processes and their servers."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.field import During, Field
from tests.faults.toxics import Toxic


def spoiled(prefix: str, *toxics: Toxic) -> During:
    """Return a fault that gives toxics to all proxies whose name begins so."""

    @contextmanager
    def during(field: Field) -> Iterator[None]:
        field.site.poison(prefix, toxics)
        try:
            yield
        finally:
            field.site.poison(prefix, ())

    return during
