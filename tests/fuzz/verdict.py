"""Say what is wrong with an answer, a process's memory or a line of a log, whatever the request was."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway import problems
from shared.scim import messages
from tests.fuzz.wire import Answer

BY_DESIGN = frozenset({501, 503})
"""What this server does not offer (RFC 7644 section 3.12), and what it says was never applied."""

ASSETS = frozenset({"text/css", "text/javascript", "image/png"})
"""Types of files; one that a client has not the version of is no error of the protocol."""

_ERROR = re.compile(r'"level": ?"(ERROR|CRITICAL)"')
LONGEST_SECONDS = 1.0
GROWTH, SLACK = 1.25, 24 * 2**20
"""What a process may grow by after its start, and beyond that in bytes: caches fill up to a bound."""

FLAT = 1.04
"""What it may grow by in the second half of a long run: what is flat is not smooth."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is wrong, and the bytes that led to it."""

    what: str
    sent: bytes = b""

    def __str__(self) -> str:
        shown = self.sent if len(self.sent) < 4_000 else self.sent[:4_000] + b" ... %d bytes" % len(self.sent)
        return f"{self.what}\n    {shown!r}" if self.sent else self.what


def of_answer(answer: Answer, sent: bytes) -> Finding | None:
    """Return what is wrong with an answer to a request that HTTP can read."""
    complaint = of_status(answer.status) or _of_error(answer)
    return Finding(what=f"{answer.status}: {complaint}", sent=sent) if complaint else None


def of_page(answer: Answer, sent: bytes) -> Finding | None:
    """Return what is wrong with an answer of the portal, which speaks to people and not in the protocol's words."""
    complaint = of_status(answer.status) or _of_policy(answer)
    return Finding(what=f"{answer.status}: {complaint}", sent=sent) if complaint else None


def of_status(status: int) -> str | None:
    """Return what is wrong with a status."""
    return "our fault" if status >= 500 and status not in BY_DESIGN else None


def of_line(line: str, secrets: Sequence[str]) -> Finding | None:
    """Return what is wrong with a line of a log: an error, or something that nobody may read there."""
    if _ERROR.search(line) or "Traceback" in line:
        return Finding(what=f"an error was logged: {line[:3_000]}")
    told = next((secret for secret in secrets if secret in line), None)
    return Finding(what=f"a value or a token was logged: {line[:3_000]}") if told else None


def of_memory(name: str, before: int, after: int) -> Finding | None:
    """Return what is wrong with the memory of a program, between its warming up and the end."""
    if after <= before * GROWTH + SLACK:
        return None
    return Finding(what=f"{name} grew from {before / 2**20:.0f} to {after / 2**20:.0f} MB")


def of_second_half(name: str, middle: int, last: int) -> Finding | None:
    """Return what is wrong with the memory of a program that has seen everything before the middle of a long run."""
    if last <= middle * FLAT:
        return None
    return Finding(what=f"{name} still grew in the second half, from {middle / 2**20:.0f} to {last / 2**20:.0f} MB")


def _of_policy(answer: Answer) -> str | None:
    """Return what is wrong with the headers of a page: a script that somebody put into a value must not run."""
    policy = answer.headers.get("content-security-policy", "")
    is_page = answer.headers.get("content-type", "").startswith("text/html") and answer.status < 400
    return None if not is_page or ("'unsafe" not in policy and "default-src 'none'" in policy) else "without a policy"


def _of_error(answer: Answer) -> str | None:
    """Return what is wrong with an error: it has a body of the protocol, and says when to come again where it ought."""
    if answer.status < 400:
        return None
    if answer.status in {413, 429, 431, 503} and not answer.headers.get("retry-after", "").isdigit():
        return "without a Retry-After in whole seconds"
    if not answer.body or answer.headers.get("content-type", "").split(";")[0] in ASSETS:
        return None
    try:
        body = json.loads(answer.body)
    except ValueError:
        return f"no JSON: {answer.body[:200]!r}"
    is_told = (
        "error" in body
        or (body.get("schemas") == [messages.ERROR] and body["status"] == str(answer.status))
        or (answer.headers.get("content-type") == problems.MEDIA_TYPE and body.get("status") == answer.status)
    )
    return None if is_told else f"no error of the protocol: {answer.body[:200]!r}"
