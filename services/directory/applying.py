"""Apply a batch: note that its operations are begun, apply them in their order, and settle them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import Connection, Engine

from services.directory import bulk_journal, database, journal, runs, tenancy
from services.directory.apply import Applied, apply, create_all, is_plain_create, refusal
from services.directory.attempts import Attempt
from services.directory.batches import Batch
from services.directory.catalogues import Catalogues
from services.directory.journal import Operation
from services.directory.region_placing import Placer
from services.directory.runs import Begun


@dataclass(frozen=True, kw_only=True)
class Applier:
    """What applying needs: the database, and what this process knows of the tenants."""

    engine: Engine
    catalogues: Catalogues = field(default_factory=Catalogues)
    placer: Placer = field(default_factory=Placer)

    def apply(self, connection: Connection, batch: Batch, attempt: Attempt) -> list[Applied]:
        """Apply a batch between a note that it is begun and its end; a failure in our hands is no crash."""
        begun = _begun(batch.operations)
        runs.note(self.engine, begun)
        try:
            return self._apply(connection, batch, attempt, begun)
        except Exception:
            # Still under the lock, so that nobody takes this run for one that did not end.
            with database.autocommit(self.engine) as own:
                runs.take_back(own, begun)
            raise

    def _apply(self, connection: Connection, batch: Batch, attempt: Attempt, begun: Begun) -> list[Applied]:
        operations = batch.operations
        catalogues = self.catalogues.of_versions(connection, batch.catalogue_versions)
        refused = bulk_journal.refused(connection, operations)
        results: list[Applied] = []
        for some in tenancy.each(connection, attempt.each(_together(operations, refused))):
            if some[0].id in refused:
                results.append(Applied(outcome=refusal(some[0].id, refused[some[0].id])))
            elif len(some) > 1:
                results += create_all(connection, some, catalogues, batch.now)
            else:
                results.append(apply(connection, some[0], catalogues[some[0].tenant_id], batch.now))
        results = self.placer.place(connection, operations, results, batch.catalogue_versions, catalogues, batch.now)
        entries = [vars(entry) for result in results for entry in result.entries]
        ended = {shard: len(ids) for shard, ids in begun.items()}
        journal.settle(connection, [result.outcome for result in results], entries, runs=ended)
        return results


def _begun(operations: Sequence[Operation]) -> Begun:
    begun: dict[int, list[UUID]] = {}
    for operation in operations:
        begun.setdefault(operation.shard, []).append(operation.id)
    return begun


def _together(operations: Sequence[Operation], refused: Collection[UUID]) -> list[list[Operation]]:
    """Split operations, in their order, into those that are applied together: plain creates of one tenant and type."""
    split: list[list[Operation]] = []
    kinds: list[tuple[UUID, str] | None] = []
    for each in operations:
        is_plain = each.id not in refused and is_plain_create(each)
        kind = (each.tenant_id, each.resource_type) if is_plain else None
        if kind is not None and kinds and kinds[-1] == kind:
            split[-1].append(each)
        else:
            split.append([each])
            kinds.append(kind)
    return split
