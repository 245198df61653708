"""Watch each answer on its way to the client, and find out whether it could be told.

It was told when its last byte was handed to the socket and the client had not hung up before the first. What happens
to it on the network after that nobody here can see.
"""

import socket
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from services.gateway.answering import Answer, Answers

ANSWER = "muster.answer"
"""Where a request's environment keeps its answer."""

_SOCKET = "gunicorn.socket"


class Delivery:
    """A WSGI application around another one, which watches its answers."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]], answers: Answers) -> None:
        self._wsgi, self._answers = wsgi, answers

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = environ[ANSWER] = Answer()
        statuses: list[int] = []

        def start(status: str, *arguments: Any) -> Any:
            statuses.append(int(status[:3]))
            return start_response(status, *arguments)

        try:
            body = self._wsgi(environ, start)
        except BaseException:
            self._answers.end(answer, is_told=False)
            raise
        if not answer.operations:
            return body
        return _Watched(body, self._answers, answer, says_it=_says_it(statuses[-1]), client=environ.get(_SOCKET))


class _Watched:
    """A response's body; who iterates over it to its end has sent all of it."""

    def __init__(
        self, body: Iterable[bytes], answers: Answers, answer: Answer, *, says_it: bool, client: socket.socket | None
    ) -> None:
        self._body, self._answers, self._answer = body, answers, answer
        self._says_it, self._client = says_it, client
        self._is_told = False

    def __iter__(self) -> Iterator[bytes]:
        is_there = self._client is None or not _has_hung_up(self._client)
        yield from self._body
        # gunicorn sends the headers of an empty body only after the last item, unless there is one.
        yield b""
        self._is_told = self._says_it and is_there

    def close(self) -> None:
        """End the answer; servers call it after the last byte, and after a failure too."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._answers.end(self._answer, is_told=self._is_told)


def _says_it(status: int) -> bool:
    """Whether a status tells what became of a write: a bug of ours and a directory out of reach do not."""
    return status < HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.SERVICE_UNAVAILABLE


def _has_hung_up(client: socket.socket) -> bool:
    """Whether a client has closed its connection; nothing is read from it."""
    patience = client.gettimeout()
    client.settimeout(0.0)
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        client.settimeout(patience)
