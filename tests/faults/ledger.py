"""Keep the totals of runs in a document: one row for each run, and their sum.

`make faults LEDGER=docs/faults-runs.md` adds a row. The document is read again each time, so that a row which somebody
takes out by hand is missing in the sum as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

HEAD = ("day", "seed", "seconds", "clients", "faults", "acknowledged", "503", "unknown", "violations")
ALL = "all"
TITLE = """# Runs of the fault kit

What `make faults` added up to; each run is one row, written by the kit itself (`LEDGER=docs/faults-runs.md`). What is
measured is told in [guarantees.md](guarantees.md#as-measured), and how in [faults.md](faults.md).

"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """The totals of one run."""

    day: str
    seed: int
    seconds: int
    clients: int
    faults: int
    acknowledged: int
    unavailable: int
    unknown: int
    violations: int


SUMMED = ("seconds", "faults", "acknowledged", "unavailable", "unknown", "violations")


def enter(path: Path, entry: Entry) -> None:
    """Add a run to the document, which is made if there is none."""
    known = read(path.read_text()) if path.exists() else []
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(document([*known, entry]))
    draft.replace(path)


def document(entries: Sequence[Entry]) -> str:
    """Return the document of these runs."""
    rows = [HEAD, ("---", *("---:",) * (len(HEAD) - 1)), *map(_cells, entries), _total(entries)]
    return TITLE + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def read(text: str) -> list[Entry]:
    """Return the runs of a document. Raises ValueError for a row that is none."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return [_entry(row) for row in rows[2:] if row[0] != ALL]


def _entry(row: Sequence[str]) -> Entry:
    day, *numbers = row
    names = [each.name for each in fields(Entry)][1:]
    counts = {name: int(number.replace(",", "")) for name, number in zip(names, numbers, strict=True)}
    return Entry(day=day, **counts)


def _cells(entry: Entry) -> tuple[str, ...]:
    day, seed, *counts = astuple(entry)
    return (day, str(seed), *(f"{count:,}" for count in counts))


def _total(entries: Iterable[Entry]) -> tuple[str, ...]:
    runs = list(entries)
    sums = {name: sum(getattr(run, name) for run in runs) for name in SUMMED}
    return (ALL, "", *(f"{sums[each.name]:,}" if each.name in sums else "" for each in fields(Entry)[2:]))
