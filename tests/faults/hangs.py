"""A process that drains shard 0 as a worker does, and hangs in its first run without letting another thread run.

Usage: python -m tests.faults.hangs DATABASE_URL MAX_STARTS SECONDS
"""

import re
import sys
from collections.abc import Mapping
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from services.directory import database, hanging
from services.directory.catalogues import Catalogues
from services.directory.drain import Drainer
from shared.scim.resource_types import Catalogue


class _Endless(Catalogues):
    """Catalogues of which none is ever there."""

    def of_versions(self, connection: Connection, versions: Mapping[UUID, int]) -> Mapping[UUID, Catalogue]:
        print("hangs", flush=True)  # noqa: T201 - whoever started this waits for it.
        # The interpreter's lock is held all the while.
        re.match(r"(a+)+b", "a" * 100)
        return super().of_versions(connection, versions)


def main() -> None:
    """Drain, and hang."""
    url, max_starts, seconds = sys.argv[1:]
    Drainer(
        engine=database.connect(url, process="hanging"),
        announce=lambda _: None,
        ring=lambda _: None,
        max_starts=int(max_starts),
        watch=partial(hanging.watched, float(seconds)),
        catalogues=_Endless(),
    ).drain(0)


if __name__ == "__main__":
    main()
