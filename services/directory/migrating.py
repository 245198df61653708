"""Bring the database's schema up to date, and tell whether it is."""

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from services.directory import partitions, row_security
from shared.settings import Settings

_LOCK = 0x6D696772


def upgrade(engine: Engine, settings: Settings) -> tuple[str | None, str | None]:
    """Run the migrations that are missing, and make the partitions of the next weeks; harmless to run twice.

    Return the revisions before and after.
    """
    config = _config()
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL lock_timeout = '60s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config.attributes["connection"] = connection
        before = MigrationContext.configure(connection).get_current_revision()
        command.upgrade(config, "head")
        row_security.mark(connection)
        partitions.maintain(connection, datetime.now(UTC), keep=partitions.kept(settings))
        return before, MigrationContext.configure(connection).get_current_revision()


def is_current(connection: Connection) -> bool:
    """Whether the schema is the one that this code was written for, or a newer one, which runs beside it."""
    script = ScriptDirectory.from_config(_config())
    known = {revision.revision for revision in script.walk_revisions()}
    found = set(MigrationContext.configure(connection).get_current_heads())
    return bool(found) and (found == set(script.get_heads()) or not found & known)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
