"""Shows a report on a terminal: requests by kind and status, times, failures with their bodies, the check's result."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.simulator.report import Report

FAILURES_SHOWN = 10
DIFFERENCES_SHOWN = 20


def show(report: Report, console: Console) -> None:
    """Print all parts of a report."""
    console.print(_requests(report))
    rate = f"{report.writes} writes in {report.seconds:.1f} s: {report.writes_per_second:.0f} writes/s"
    console.print(rate, highlight=False, soft_wrap=True)
    _show_failures(report, console)
    _show_check(report, console)


def _requests(report: Report) -> Table:
    table = Table(title="Requests")
    table.add_column("kind")
    for name in ("count", "statuses", "p50 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for kind in report.kinds:
        statuses = "  ".join(f"{status or 'lost'}: {count}" for status, count in kind.statuses.items())
        table.add_row(kind.name, str(kind.count), statuses, f"{kind.p50_ms:.1f}", f"{kind.p99_ms:.1f}")
    return table


def _show_failures(report: Report, console: Console) -> None:
    if not report.failure_count:
        console.print("[green]No request failed.[/green]")
        return
    console.print(f"[red]{report.failure_count} requests failed.[/red]")
    for failure in report.failures[:FAILURES_SHOWN]:
        line = f"  {failure.kind}, {failure.subject}: {failure.status or 'lost'} {failure.body}"
        console.print(escape(line), highlight=False, soft_wrap=True)
    _show_rest(report.failure_count - FAILURES_SHOWN, console)


def _show_check(report: Report, console: Console) -> None:
    compared = ", ".join(f"{count} {name}" for name, count in report.checked.items())
    if not report.differences:
        console.print(
            f"[green]The directory is as the company: {compared} compared.[/green]", highlight=False, soft_wrap=True
        )
        return
    console.print(
        f"[red]{len(report.differences)} differences from the company; {compared} compared.[/red]", soft_wrap=True
    )
    for difference in report.differences[:DIFFERENCES_SHOWN]:
        line = (
            f"  {difference.subject}, {difference.attribute}: {difference.expected} expected, {difference.found} found"
        )
        console.print(escape(line), highlight=False, soft_wrap=True)
    _show_rest(len(report.differences) - DIFFERENCES_SHOWN, console)


def _show_rest(count: int, console: Console) -> None:
    if count > 0:
        console.print(f"  and {count} more", highlight=False, soft_wrap=True)
