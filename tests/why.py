"""Ask why, as the portal and the command do, and wait until what a gateway notes has been written down."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine

from services.directory import database, why
from services.directory.why import Answer
from tests.factories import Tenant

MOST_LOOKS = 1_000


def ask(engine: Engine, tenant: Tenant, wanted: str) -> Answer:
    """Return what is known now."""
    with database.transaction(engine) as connection:
        return why.explain(connection, tenant.principal.tenant_id, wanted, datetime.now(UTC))


def until(engine: Engine, tenant: Tenant, wanted: str, is_told: Callable[[Answer], bool]) -> Answer:
    """Ask until it is told, or so often that it never will be; what was noted is written down within a moment."""
    answer = ask(engine, tenant, wanted)
    for _ in range(MOST_LOOKS):
        if is_told(answer):
            break
        answer = ask(engine, tenant, wanted)
    return answer


def explained(engine: Engine, tenant: Tenant, wanted: str, code: str) -> Answer:
    """Return the answer once its reason is this one."""
    answer = until(engine, tenant, wanted, lambda found: found.reason.code == code)
    assert answer.reason.code == code, (answer.reason.code, answer.sentence, answer.events[:3])
    return answer
