"""Know for how long a connection has waited to be accepted with a request in it: its client counts from then.

While no process accepts, the kernel does. What a client has sent by then lies in the queue, for a second or two when a
process was killed and the next one starts.
"""

import socket
import struct
from typing import Any

WAITED = "muster.waited"
"""Where the environment of a request says for how many seconds it waited until its connection was accepted."""

_LAST_DATA, _BYTES = 52, 128
"""Where Linux tells the milliseconds since data came last, and how many bytes did (struct tcp_info, since 4.1)."""

_SIZE = 136


def waiting_seconds(client: Any) -> float:
    """Return how long ago a client sent what lies in its new connection; 0 where that is nothing, or is not told."""
    try:
        told: bytes = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except (AttributeError, OSError):
        return 0.0
    if len(told) < _SIZE or not struct.unpack_from("=Q", told, _BYTES)[0]:
        return 0.0
    milliseconds: int = struct.unpack_from("=I", told, _LAST_DATA)[0]
    return milliseconds / 1000
