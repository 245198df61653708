"""Give a parser as many texts as it can read: a pool of those it may like, crossed and damaged by one seed.

Hypothesis makes some ten texts a second and shortens what it finds; this makes thousands, and shows what it found as it
was. Both hold a parser to the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from tests.fuzz import material, mutation, parsers
from tests.fuzz.parsers import Parser
from tests.fuzz.verdict import Finding

POOL = 400
"""Texts to begin with, and as many as are kept."""

FRESH, LONG = 0.2, 1 / 500
"""Which part of the texts is a new one of the grammar, and which is pumped up to what a request line can hold."""

MOST_FINDINGS = 10


@dataclass
class Swarm:
    """What came of the texts that one parser was given."""

    read: int = 0
    """How many texts the parser took; the others it refused, in its own words."""
    refused: int = 0
    findings: list[Finding] = field(default_factory=list)


def explore(chosen: Mapping[str, Parser], count: int, seed: int) -> dict[str, Swarm]:
    """Give each of these parsers so many texts; the same seed makes up the same ones."""
    return {name: _swarm(name, parser, count, Random(f"{seed}/{name}")) for name, parser in chosen.items()}


def sums(swarms: Mapping[str, Swarm]) -> Swarm:
    """Return what came of all parsers together."""
    parts = swarms.values()
    return Swarm(
        read=sum(part.read for part in parts),
        refused=sum(part.refused for part in parts),
        findings=[each for part in parts for each in part.findings],
    )


def _swarm(name: str, parser: Parser, count: int, draw: Random) -> Swarm:
    swarm, pool = Swarm(), [parser.make(draw) for _ in range(POOL)]
    for _ in range(count):
        text = _text(draw, parser, pool)
        try:
            is_read = parsers.check(parser, parsers.encodable(text))
        except Exception as error:
            swarm.findings.append(
                Finding(what=f"parser {name}: {type(error).__name__}: {error}", sent=text.encode(errors="replace"))
            )
            if len(swarm.findings) == MOST_FINDINGS:
                break
            continue
        swarm.read += is_read
        swarm.refused += not is_read
        # What was understood is worth more than what was not: a later text begins with it, a step further off.
        if is_read and len(text) < parsers.LONGEST:
            pool[draw.randrange(POOL)] = text
    return swarm


def _text(draw: Random, parser: Parser, pool: list[str]) -> str:
    kind = draw.random()
    if kind < LONG:
        return parsers.pumped(
            draw.choice((*parsers.PIECES, draw.choice(pool)[:200] or "x")), draw.choice(material.TEXTS)
        )
    text = parser.make(draw) if kind < FRESH else draw.choice(pool)
    if draw.random() < 0.5:
        text = mutation.blended(draw, text, draw.choice(pool))
    return parsers.damaged(draw, text) if draw.random() < 0.6 else text
