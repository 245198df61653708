"""Close what a new process of the pool has from its parent: connections to Redis that are the parent's alone.

Celery's main process forks its pool. A process that is forked later, in place of one that died, has copies of all that
the parent has open. While it keeps them Redis takes the parent for alive when it is not, and hands messages to nobody.
kombu's own clean-up (`Channel._after_fork`) asks a pool of redis-py to close its connections, but that finds itself in
another process, and forgets them instead.
"""

import gc
import os
from typing import Any

from redis import connection

# Its methods are untyped.
_Connection: Any = connection.AbstractConnection


def close() -> None:
    """Close each connection to Redis that another process made; neither that process nor the server notices."""
    for found in gc.get_objects():
        # Not isinstance: it asks proxies for what they stand for, and Celery's would make it.
        if issubclass(type(found), _Connection) and found.pid != os.getpid():
            found.disconnect()
