"""`make bench`: measure the rows that are wanted, print them, and keep what they found.

`make bench ROWS="creates reads"` measures some rows and leaves the results of the others as they are; `QUICK=1` makes a
short run, whose results go to .bench/ and replace nothing; `SOAK=3600` soaks for so many seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from bench import contestants, figures, results
from bench.contestants import MissingError
from bench.figures import Found
from bench.generator import LoadError
from bench.rows import groups, reads, whole, workers, writes
from bench.scale import QUICK, WHOLE, Scale

ROWS: Mapping[str, Callable[[Scale], Found]] = {
    "creates": writes.creates,
    "idle": writes.idle,
    "latency": writes.latency,
    "tenants": writes.tenants,
    "reads": reads.reads,
    "sizes": reads.sizes,
    "pages": reads.pages,
    "members": groups.members,
    "patch": groups.large,
    "groups": groups.reads,
    "workers": workers.workers,
    "simulate": whole.simulate,
    "soak": whole.soak,
}


@click.command()
@click.option("--rows", default="", help="The rows to measure, with spaces between; all but the soak without it.")
@click.option("--quick", is_flag=True, help="Make a short run that replaces no results.")
@click.option("--soak", type=click.FloatRange(0), default=0, help="Seconds of the soak.")
def main(rows: str, soak: float, *, quick: bool) -> None:
    """Measure, print, and keep what was found."""
    console = Console()
    scale = replace(QUICK if quick else WHOLE, soak_seconds=soak)
    folder = contestants.PLACE / "quick" if quick else results.FOLDER
    failed = []
    for name in wanted(rows, soak):
        console.print(f"[bold]{name}[/bold] ...")
        try:
            found = _measure(name, scale, folder)
        except (MissingError, LoadError) as error:
            console.print(f"{name} failed: {error}", markup=False)
            failed.append(name)
        else:
            results.show(found, console)
    console.print(f"written to {folder}", highlight=False, soft_wrap=True)
    if failed:
        raise click.ClickException(f"nothing was found by {', '.join(failed)}")


def wanted(rows: str, soak: float) -> list[str]:
    """Return the rows to measure. Raises click.BadParameter for one that does not exist, and a soak of no seconds."""
    names = rows.split() or [name for name in ROWS if name != "soak" or soak]
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise click.BadParameter(f"there is no row {', '.join(unknown)}: choose from {', '.join(ROWS)}")
    if "soak" in names and not soak:
        raise click.BadParameter("say how long the soak is to be: SOAK=3600")
    return names


def _measure(name: str, scale: Scale, folder: Path) -> Found:
    """Measure a row, and keep what it found at once: what comes later may fail."""
    about = results.machine()
    found = ROWS[name](scale)
    kept = results.read(folder) | {name: {"about": about, "found": figures.as_json(found)}}
    results.write(kept, folder, list(ROWS))
    return found


if __name__ == "__main__":
    main()
