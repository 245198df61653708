"""What only tests over HTTP need."""

import pytest
from sqlalchemy import Engine, text

from services.directory import database


class Journal:
    """Everything that the journal and the history hold, as text, read anew at each look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __contains__(self, needle: str) -> bool:
        query = text("""
            SELECT EXISTS (SELECT FROM operation o WHERE o::text LIKE :x)
                OR EXISTS (SELECT FROM history h WHERE h::text LIKE :x)
        """)
        with database.transaction(self._engine) as connection:
            return connection.scalar(query, {"x": f"%{needle}%"}) is True

    def outcomes(self) -> str:
        """Return what the journal says that operations ended in, and the whole history."""
        query = text("""
            SELECT coalesce((SELECT string_agg(outcome::text, ' ') FROM operation), '')
                || coalesce((SELECT string_agg(changes::text, ' ') FROM history), '')
        """)
        with database.transaction(self._engine) as connection:
            return str(connection.scalar(query))


@pytest.fixture
def stack_operations(stack_engine: Engine) -> Journal:
    """What the journal holds."""
    return Journal(stack_engine)
