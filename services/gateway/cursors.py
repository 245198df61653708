"""Make and read cursors: opaque, signed, and good for one token, one query and a while (RFC 9865 sections 2 and 5)."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from services.directory.listing import Key
from shared.scim.errors import ExpiredCursorError, InvalidCountError, InvalidCursorError

SALT = "cursor"
FOREIGN = "This cursor was not given for this query by this server: start again with an empty cursor"


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where the next page begins, how large the pages are, and how many resources there were at the first one."""

    last: Key
    count: int
    total: int


class Cursors:
    """Signs cursors, and tells the ones that it signed."""

    def __init__(self, secret: bytes, seconds: int) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt=SALT)
        self._seconds = seconds

    def write(self, cursor: Cursor, query: tuple[object, ...]) -> str:
        """Return a cursor as text of unreserved characters; the query is part of it as a digest only."""
        fields = [cursor.last.kind, cursor.last.id.hex, cursor.count, cursor.total, _digest(query)]
        text = self._serializer.dumps(fields)
        return text if isinstance(text, str) else text.decode()

    def read(self, text: str, query: tuple[object, ...], count: int | None) -> Cursor:
        """Return the cursor in a text.

        Raises InvalidCursorError, ExpiredCursorError, and InvalidCountError for another count than the first page's.
        """
        try:
            kind, last, size, total, digest = self._serializer.loads(text, max_age=self._seconds)
        except SignatureExpired as error:
            raise ExpiredCursorError("This cursor is too old: start again with an empty cursor") from error
        except BadSignature as error:
            raise InvalidCursorError(FOREIGN) from error
        if digest != _digest(query):
            raise InvalidCursorError(FOREIGN)
        if count is not None and count != size:
            raise InvalidCountError("count must be the same as for the first page")
        return Cursor(last=Key(kind, UUID(last)), count=size, total=total)


def _digest(query: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(query).encode()).hexdigest()[:32]
