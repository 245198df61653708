"""Hash the passwords of writes before they go on: beside the requests of the process, and few at once.

argon2 lets other threads run meanwhile, so it is given threads of the operating system; there are two of them, which
bounds the memory and the cores that it takes. Requests wait for their turn like for anything else.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from gevent.pool import Group
from gevent.threadpool import ThreadPool

from services.directory import passwords
from services.directory.journal import Write
from services.directory.keys import SharedKey
from services.gateway.writing import unavailable
from shared.scim import plaintext, resource_types
from shared.scim.plaintext import Plaintext

AT_ONCE = 2
WITH_SECRETS = frozenset(
    kind.name
    for kind in resource_types.ALL
    for _, attribute in kind.walk()
    if any(one.is_hashed for one in (attribute, *attribute.sub_attributes))
)
"""The resource types with something to hash: whoever has thousands of members is not searched for it."""


class Hasher:
    """Puts hashes in the place of passwords."""

    def __init__(self, key: SharedKey) -> None:
        self._key = key
        self._threads = ThreadPool(AT_ONCE)

    def all_hashed(self, writes: Sequence[Write], deadline: float) -> list[Write]:
        """Return writes that can be written down. Raises UnavailableError when that takes until the deadline."""
        found: list[Write] = []
        for place in range(0, len(writes), AT_ONCE):
            if time.monotonic() >= deadline:
                raise unavailable()
            found += Group().map(self.hashed, writes[place : place + AT_ONCE])
        return found

    def hashed(self, write: Write) -> Write:
        """Return a write that can be written down; one without a password as it is. Raises SQLAlchemyError."""
        if write.resource_type not in WITH_SECRETS or not plaintext.is_in(write.request):
            return write
        salt = passwords.salt(self._key.value(), write)

        def hash_(secret: Plaintext) -> str:
            found: str = self._threads.apply(passwords.hashed, (secret, salt))
            return found

        return replace(write, request=plaintext.replaced(write.request, hash_))
