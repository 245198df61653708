"""What a timeline is made of: events, each with its reason, from whatever it is known."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any
from uuid import UUID

from services.directory import history, reasons
from services.directory.reasons import Reason
from services.directory.refusals import Refusal
from shared.scim.attributes import ResourceType
from shared.scim.resource_types import Catalogue

SHOWN_LINES = 30
"""Lines of a request that are shown."""

LONGEST_LINE = 300


class Source(StrEnum):
    """Where an event is known from."""

    JOURNAL = "journal"
    REFUSED = "refused"
    HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One request, or one change by a request that was about something else."""

    at: datetime
    source: Source
    method: str
    resource_type: str | None
    resource_id: UUID | None
    endpoint: str
    request_id: str
    operation_id: UUID | None
    token_id: UUID
    token: str
    status: int | None
    """None: not answered yet, or known from the history alone."""
    reason: Reason
    detail: str | None = None
    said: Sequence[str] = ()
    """What the request says, line by line, without secrets."""
    changed: Sequence[str] = ()
    is_pending: bool = False

    @property
    def is_request(self) -> bool:
        """Whether it was about what was looked for, and not only touched it."""
        return self.source is not Source.HISTORY

    @property
    def is_bad(self) -> bool:
        """Whether it had not the effect that it was to have."""
        return not self.is_pending and not self.reason.is_good and self.reason not in _EFFECTS


_EFFECTS = (reasons.DEACTIVATED, reasons.DELETED)


def of_refusal(refusal: Refusal, tokens: Mapping[UUID, str]) -> Event:
    """Return a refused request as an event."""
    filter_ = [f"filter: {refusal.filter}"] if refusal.filter else []
    return Event(
        at=refusal.at,
        source=Source.REFUSED,
        method=refusal.method,
        resource_type=refusal.resource_type,
        resource_id=refusal.resource_id,
        endpoint=refusal.endpoint,
        request_id=refusal.request_id,
        operation_id=refusal.operation_id,
        token_id=refusal.token_id,
        token=tokens.get(refusal.token_id, ""),
        status=refusal.status,
        reason=reasons.BY_CODE.get(refusal.reason, reasons.REFUSED),
        detail=refusal.detail,
        said=[*filter_, *islice(_flat("", refusal.body), SHOWN_LINES)],
    )


def of_history(entries: Iterable[history.Entry], journaled: Collection[UUID], catalogue: Catalogue) -> Iterator[Event]:
    """Yield the changes whose operation is not told of: about another resource, or too old for the journal."""
    for entry in entries:
        if entry.operation_id not in journaled:
            yield Event(
                at=entry.at,
                source=Source.HISTORY,
                method=entry.kind.value,
                resource_type=entry.resource_type,
                resource_id=entry.resource_id,
                endpoint="",
                request_id=entry.request_id,
                operation_id=entry.operation_id,
                token_id=entry.token_id,
                token="",
                status=None,
                reason=reasons.DELETED if entry.kind is history.Kind.DELETED else reasons.PROVISIONED,
                changed=in_words(entry, catalogue.by_name[entry.resource_type]),
            )


def in_words(entry: history.Entry, resource_type: ResourceType) -> list[str]:
    """Return what an entry says, a line for each attribute, and not more than somebody reads."""
    changes = entry.changes[:SHOWN_LINES]
    return [history.in_words(change, resource_type)[:LONGEST_LINE] for change in changes]


def _flat(where: str, content: Any) -> Iterator[str]:
    """Yield an excerpt line by line."""
    match content:
        case dict():
            for name, value in content.items():
                yield from _flat(f"{where}.{name}".lstrip("."), value)
        case list():
            for number, item in enumerate(content, start=1):
                yield from _flat(f"{where}[{number}]", item)
        case None:
            return
        case bool():
            yield f"{where} {str(content).lower()}".strip()
        case _:
            yield f"{where} {content}".strip()
