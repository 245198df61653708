"""Tell whether a gateway process lives: while it does, it holds an advisory lock on its number.

PostgreSQL lets go of the lock when the connection ends, so a process that was killed is known to be gone at once.
"""

import logging
import secrets
import threading

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from services.directory import database

logger = logging.getLogger(__name__)

LOCK_SPACE = 0x6C697665
LOOK_SECONDS = 1.0
RECONNECT_SECONDS = 0.1

_HOLD = text("SELECT pg_advisory_lock(:space, :number)")
# A network that swallows everything must not keep a process alive that is gone. (Sockets on this machine need no help.)
_NOTICE = text("""
SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
       set_config('tcp_keepalives_count', '3', false)
""")
_IS_GONE = text("SELECT pg_try_advisory_xact_lock_shared(:space, :number)")


class Presence(threading.Thread):
    """Holds the lock of this process, and takes it again whenever the connection was lost."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(name="presence", daemon=True)
        self.number = secrets.randbits(31)
        self._engine = engine
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._hold()
            except (SQLAlchemyError, psycopg.Error) as error:
                logger.warning("presence lost", extra={"error": type(error).__name__})
            self._stopped.wait(RECONNECT_SECONDS)

    def stop(self) -> None:
        """Let go of the lock, soon."""
        self._stopped.set()

    def _hold(self) -> None:
        with database.autocommit(self._engine) as connection:
            connection.execute(_NOTICE)
            connection.execute(_HOLD, {"space": LOCK_SPACE, "number": self.number})
            while not self._stopped.is_set():
                _wait(connection)
        self._engine.dispose()


def is_there(connection: Connection, number: int) -> bool:
    """Whether the process of this number lives; one that is just taking its lock again seems gone for a moment."""
    return connection.scalar(_IS_GONE, {"space": LOCK_SPACE, "number": number}) is False


def _wait(connection: Connection) -> None:
    """Wait for the end of the connection, which is heard at once. Raises psycopg.Error then."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    for _ in driver.notifies(timeout=LOOK_SECONDS):
        continue
    connection.exec_driver_sql("SELECT 1")
