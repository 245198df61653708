"""Fuzz everything that reads what strangers send: the parsers in this process, and a stack over HTTP.

`python -m tests.fuzz.run`, by way of `make fuzz`. COUNT says how many requests are sent, SEED which ones they are, and
SECONDS when to stop before that; PARSED says how many texts the parsers are given together, which are no requests and
not counted as such.
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from tests.fuzz import flood, guided, parsers, site, swarm, watch
from tests.fuzz.flood import Outcome, Target
from tests.fuzz.verdict import Finding

SHOWN = 40
REQUESTS, PARSED = 100_000, 1_000_000
CAREFUL = 200
"""Texts that Hypothesis gives each parser, which shortens what it finds, for each that is given to them one by one."""


def main() -> None:
    """Run what the environment asks for; the status is 1 when something was found."""
    count, parsed = (
        int(os.environ.get(name) or default) for name, default in (("COUNT", REQUESTS), ("PARSED", PARSED))
    )
    seconds, seed = float(os.environ.get("SECONDS") or 10**9), int(os.environ.get("SEED") or random.randrange(10**6))
    click.echo(f"seed {seed}")
    findings = [*_parsers(parsed, seed), *_requests(count, seconds, seed)]
    click.echo(f"{len(findings)} findings" if findings else "nothing was found")
    sys.exit(1 if findings else 0)


def _parsers(count: int, seed: int) -> list[Finding]:
    """Give the parsers so many texts, half of them to those that a fuzzer looks into, and a few by Hypothesis."""
    share = -(-count // len(parsers.ALL) // 2)
    begun, swarms = time.monotonic(), swarm.explore(parsers.ALL, share, seed)
    told = swarm.sums(swarms)
    rate = (told.read + told.refused) / (time.monotonic() - begun)
    click.echo(f"texts: {told.read + told.refused} ({rate:.0f}/s) for {len(swarms)} parsers, which took {told.read}")
    some = max(1, share // CAREFUL)
    careful = parsers.explore(parsers.ALL, some, seed)
    click.echo(f"texts: {some * len(parsers.ALL)} by Hypothesis")
    found = [*told.findings, *careful, *_guided(share, seed)]
    _show(found)
    return found


def _guided(count: int, seed: int) -> list[Finding]:
    if not guided.is_there():
        click.echo("texts: none by atheris, which is not installed (make fuzz tries to)")
        return []
    found = [each for name in parsers.ALL for each in guided.explore(name, count, seed)]
    click.echo(f"texts: {count * len(parsers.ALL)} by atheris, guided by what they reach")
    return found


def _requests(count: int, seconds: float, seed: int) -> list[Finding]:
    """Send so many requests to the gateway, and a tenth as many to the portal; after the seconds it is over."""
    with tempfile.TemporaryDirectory(prefix="muster-fuzz-") as folder, site.running(Path(folder)) as place:
        with watch.memory(place.data) as memory:
            until = time.monotonic() + seconds
            pages = _flood(place.portal, count // 10, seed, time.monotonic() + seconds / 10)
            requests = _flood(place.gateway, count, seed, until)
        for name, taken in memory.tenths().items():
            click.echo(f"{name}: " + " ".join(f"{each / 2**20:.0f}" for each in taken) + " MB, by tenths of the time")
        click.echo(f"log: {place.log.lines} lines, {len(place.log.findings)} with an error or a secret")
        others = [*place.log.findings, *memory.findings()]
        _show(others)
        return [*pages.findings, *requests.findings, *others]


def _flood(target: Target, count: int, seed: int, until: float) -> Outcome:
    begun = time.monotonic()
    outcome = flood.run(target, count, seed, lambda: time.monotonic() > until, _progress)
    _tell(outcome, time.monotonic() - begun)
    return outcome


def _show(findings: Sequence[Finding]) -> None:
    """Show what was found at once: a long run goes on for a while."""
    for each in findings[:SHOWN]:
        click.echo(f"* {each}")


def _progress(sent: int) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')}: {sent} requests")


def _tell(outcome: Outcome, seconds: float) -> None:
    click.echo(f"requests: {outcome.sent} ({outcome.sent / seconds:.0f}/s), {outcome.broken} of them broken below HTTP")
    click.echo("answers: " + ", ".join(f"{status}: {n}" for status, n in sorted(outcome.statuses.items())))
    click.echo(f"slower than a second beside the others: {len(outcome.suspects)}; when sent alone: see the findings")
    _show(outcome.findings)


if __name__ == "__main__":
    main()
