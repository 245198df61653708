"""The commands that read the audit: list its newest rows, verify its chains, export them."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import click
import orjson
from sqlalchemy import Connection

from services.directory import audit, audit_reading, database, operation_commands, tenants, terminal
from services.directory.audit_chain import INSTALLATION, Action, Row
from services.directory.audit_reading import Head, Verdict

LONGEST = 120
"""Characters of details in a table; `--json` has all of them."""

EVERYWHERE = "the installation"
tenant_option = click.option("--tenant", metavar="NAME", help="Only this tenant's chain.  [default: all chains]")


@click.group("audit")
def audit_group() -> None:
    """The audit: what operators did and what tokens changed, each row chained to the row before it."""


@audit_group.command("list")
@tenant_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="How many rows.")
@click.option("--writes", is_flag=True, help="Show each write of the rows that seal writes, as a line of its own.")
@operation_commands.json_option
@terminal.data_option
def list_rows(tenant: str | None, limit: int, writes: bool, is_json: bool, data: Path | None) -> None:
    """List the newest rows, the newest first."""
    with terminal.transaction(data) as connection:
        chain = None if tenant is None else tenants.find(connection, tenant).id
        names = audit_reading.chains(connection)
        found = audit_reading.newest(connection, chain, limit)
    if is_json:
        terminal.document([_document(row, names) for row in found])
        return
    shown = [line for row in found for line in (_lines(row, names) if writes else [_line(row, names)])]
    terminal.table(["row", "when", "chain", "who", "what", "of", "details"], shown)


@audit_group.command("verify")
@tenant_option
@click.option("--head", metavar="ROW:HASH", help="The end of the tenant's chain as it was noted before.")
@operation_commands.json_option
@terminal.data_option
def verify_chains(tenant: str | None, head: str | None, is_json: bool, data: Path | None) -> None:
    """Look whether every row is what it was when it was written, and name the first that is not.

    A chain that was written anew from some row on, or cut off, is whole in itself: note the end that this prints, where
    nobody who can write to the database can, and give it as --head later. Ends with 1 when something was altered.
    """
    noted = None if head is None else _noted(head)
    if noted is not None and tenant is None:
        raise click.UsageError("--head is of one chain: say which with --tenant")
    with terminal.pool(terminal.load_settings(data)) as engine, database.snapshot_across(engine) as connection:
        names = _chosen(connection, tenant)
        verdicts = {chain: audit_reading.verify(connection, chain, noted) for chain in names}
    if is_json:
        terminal.document([_verdict_document(name, verdicts[chain]) for chain, name in names.items()])
    else:
        rows = [_verdict(name or EVERYWHERE, verdicts[chain]) for chain, name in names.items()]
        terminal.table(["chain", "rows", "erased", "end", "verdict"], rows)
    sys.exit(any(verdict.fault is not None for verdict in verdicts.values()))


@audit_group.command("export")
@tenant_option
@click.option("--output", type=click.File("wb"), default="-", help="Where to.  [default: standard output]")
@terminal.data_option
def export_rows(tenant: str | None, output: IO[bytes], data: Path | None) -> None:
    """Write all rows as JSON lines, with all that it takes to verify them elsewhere."""
    with terminal.pool(terminal.load_settings(data)) as engine:
        with database.across(engine) as connection:
            chain = None if tenant is None else tenants.find(connection, tenant).id
            audit.record(connection, chain, Action.AUDIT_EXPORTED, actor=terminal.operator())
        with database.snapshot_across(engine) as connection:
            names = _chosen(connection, tenant)
            for chain in names:
                for row in audit_reading.every(connection, chain):
                    output.write(orjson.dumps(_document(row, names)) + b"\n")


def _chosen(connection: Connection, tenant: str | None) -> Mapping[UUID, str]:
    if tenant is None:
        return audit_reading.chains(connection)
    return {tenants.find(connection, tenant).id: tenant}


def _noted(text: str) -> Head:
    seq, _, hash_ = text.partition(":")
    try:
        return Head(seq=int(seq), hash=bytes.fromhex(hash_))
    except ValueError as error:
        raise click.UsageError("--head is a row's number, a colon and its hash, as verify prints it") from error


def _document(row: Row, names: Mapping[UUID, str]) -> dict[str, Any]:
    """Return a row with its chain's name; bytes are in hexadecimal digits."""
    values = {name: value.hex() if isinstance(value, bytes) else value for name, value in vars(row).items()}
    return {"tenant": names.get(row.tenant_id), **values}


def _line(row: Row, names: Mapping[UUID, str]) -> list[str | None]:
    return [
        str(row.seq),
        terminal.moment(row.at),
        _chain(row, names),
        row.actor,
        row.action,
        row.target,
        _brief(row),
    ]


def _lines(row: Row, names: Mapping[UUID, str]) -> Iterator[list[str | None]]:
    """Yield a line for each write that a row sealed, the newest first; any other row is a line."""
    if row.action != Action.WRITES_SEALED or row.details is None:
        yield _line(row, names)
        return
    for operation, settled_at, token, method, resource_type, lane, status in reversed(row.details["operations"]):
        what = f"{method} {resource_type}"
        moment = settled_at[:19].replace("T", " ") + "Z"
        yield [str(row.seq), moment, _chain(row, names), f"token {token}", what, lane, f"{status}, {operation}"]


def _chain(row: Row, names: Mapping[UUID, str]) -> str:
    return EVERYWHERE if row.tenant_id == INSTALLATION else names.get(row.tenant_id, str(row.tenant_id))


def _brief(row: Row) -> str:
    if row.salt is None:
        return "erased"
    if row.action == Action.WRITES_SEALED:
        return f"{len(row.details['operations'])} writes (each: --writes)"
    text = "" if row.details is None else orjson.dumps(row.details).decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _verdict(name: str, verdict: Verdict) -> list[str | None]:
    fault = verdict.fault
    end = f"{verdict.head.seq}:{verdict.head.hash.hex()}" if verdict.head else ""
    said = "unaltered" if fault is None else f"ALTERED: row {fault.seq}: {fault.says}"
    return [name, str(verdict.rows), str(verdict.erased), end, said]


def _verdict_document(name: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "tenant": name or None,
        "rows": verdict.rows,
        "erased": verdict.erased,
        "head": f"{verdict.head.seq}:{verdict.head.hash.hex()}" if verdict.head else None,
        "fault": vars(verdict.fault) if verdict.fault else None,
    }
