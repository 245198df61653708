"""Read from the environment what a run of the fault kit is asked for, and say what of it makes no sense."""

import difflib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared import settings
from tests.faults import nemesis, workload

MIX = "mix"
LIST = "list"
DEFAULT_SECONDS = 60
SEEDS = 1_000_000
SHOWN = 3
"""Of names that a wrong one may have meant."""


class OptionError(ValueError):
    """An option makes no sense; the text says which and why."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How long, which replay, which faults, how many clients, and where what was recorded goes."""

    seconds: float
    seed: int
    faults: tuple[str, ...]
    folder: Path
    clients: int = workload.BUSY_CLIENTS
    others: int = workload.OTHER_CLIENTS
    """Clients of the other tenant; with none the busy one has no turnstile to pass, and writes as fast as it can."""
    ledger: Path | None = None
    """The document that gets a row for this run."""


def read(environ: Mapping[str, str]) -> Options:
    """Return what the environment asks for. Raises OptionError."""
    wanted = environ.get("FAULT") or MIX
    name = wanted if len(wanted) < 60 else "several"
    ledger = environ.get("LEDGER")
    return Options(
        seconds=_number(environ, "SECONDS", DEFAULT_SECONDS, 1),
        seed=_number(environ, "SEED", random.randrange(SEEDS), 0),
        faults=tuple(nemesis.FAULTS) if wanted == MIX else _chosen(wanted),
        folder=settings.data_folder(environ) / "faults" / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}",
        clients=_number(environ, "CLIENTS", workload.BUSY_CLIENTS, 1),
        others=_number(environ, "OTHERS", workload.OTHER_CLIENTS, 0),
        ledger=Path(ledger) if ledger else None,
    )


def catalogue() -> str:
    """Return all faults as a table: the name, how long each lasts, and what clients may be told besides 2xx."""
    width = max(map(len, nemesis.FAULTS))
    lines = [f"{'fault':<{width}}  seconds  clients may be told, besides 2xx"]
    for fault in nemesis.FAULTS.values():
        told = ", ".join(fault.allows) or "nothing else"
        needs = f" (needs {fault.needs})" if fault.needs else ""
        lines.append(f"{fault.name:<{width}}  {fault.seconds:>7g}  {told}{needs}")
    return "\n".join(lines)


def _number(environ: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise OptionError(f"{name}={text} is not a whole number from {least} on")
    return int(text)


def _chosen(names: str) -> tuple[str, ...]:
    chosen = tuple(filter(None, (name.strip() for name in names.split(","))))
    unknown = [name for name in chosen if name not in nemesis.FAULTS]
    if unknown or not chosen:
        wrong = ", ".join(unknown) or repr(names)
        near = [each for name in unknown for each in difflib.get_close_matches(name, nemesis.FAULTS, SHOWN)]
        hint = f"; did you mean {' or '.join(near)}?" if near else ";"
        raise OptionError(f"no such fault: {wrong}{hint} FAULT={LIST} lists them")
    return chosen
