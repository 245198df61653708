"""Who may see several tenants at once, or none, is listed here; everybody else names the one tenant that is served."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SERVICES = Path(__file__).parents[2] / "services"

ACROSS = {
    "database.across": {
        "demo._play": "makes its tenant",
        "directory.audit_commands.export_rows": "an operator exports all chains",
        "directory.bulk_journal.ring": "rings for the bulk requests of a batch, whoever sent them",
        "directory.checkup.of_database": "the doctor",
        "directory.dead_commands._choose": "an operator decides about dead operations",
        "directory.dead_commands._discard": "an operator decides about dead operations",
        "directory.dead_commands._named": "an operator decides about dead operations",
        "directory.failed_starts.write_down": "writes down a failed start, of the queue alone",
        "directory.failed_starts.recover": "counts the starts of a run that did not end, of the queue alone",
        "directory.person_commands.erase_person": "finds the tenant by its name",
        "directory.person_commands.export_tenant": "finds the tenant by its name",
        "directory.portal.desk.before_sign_in": "looks a session, a link or an admin up",
        "directory.region_moving.advance": "finds which tenants have people to move",
        "directory.replaying._accept": "replays dead operations, which were looked up before",
        "directory.replaying._look": "replays dead operations, which were looked up before",
        "directory.sealing.seal": "finds which tenants have writes to seal",
        "directory.terminal.transaction": "an operator, until a tenant is named",
        "gateway.accepting._accept": "accepts the writes of several tenants in one statement",
        "gateway.admission.look": "looks at the backlog of all",
        "gateway.auth._look_up": "looks a token up",
        "gateway.auth._portal": "finds the tenant of a host",
        "gateway.client_authentication._by_secret": "looks a client up",
        "gateway.client_authentication._find": "looks a client up",
        "gateway.client_authentication._once": "looks a client up",
        "gateway.exposition._metrics": "counts the tokens that end soon",
        "gateway.flushing.flush": "adds up what the process counted",
        "gateway.jwt_bearers._foreign": "looks a client up",
        "gateway.jwt_bearers._own": "looks a client up",
        "gateway.jwt_bearers._trusting": "looks a client up",
        "gateway.recording.flush": "writes down what the process noted of requests",
        "stack.welcome._portal": "makes the first tenant of a machine's own database",
        "worker.tasks.maintain": "retention",
        "worker.tasks.sweep": "the sweeper",
    },
    "database.snapshot_across": {
        "directory.audit_commands.export_rows": "an operator exports all chains",
        "directory.audit_commands.verify_chains": "an operator verifies all chains",
    },
    "tenancy.serve_several": {"directory.region_placing._moved": "goes back to what its drain does"},
    "tenancy.TO_SEVERAL": {
        "directory.database.across": "makes the above",
        "directory.database.snapshot_across": "makes the above",
        "directory.runs.entered": "chooses a batch and settles it; each operation names its tenant meanwhile",
        "directory.runs.entered_several": "does the same for several shards",
    },
    "tenancy.ACROSS": {
        "directory.row_security.flaws": "the doctor",
        "gateway.app.create": "the connection that accepts",
    },
    "desk.before_sign_in": {
        "directory.portal.sign_in._sign_in": "finds the admin of an address",
        "directory.portal.sign_in._use_link": "finds the admin of a link",
        "directory.portal.visits._visitor": "finds whose session it is",
    },
}
NOBODY = {
    "directory.commands.migrate": "the owner of the tables",
    "directory.counters.flush": "sums of all tenants, with no tenant in them",
    "directory.keys.value": "a secret that all processes share",
    "directory.portal.health._database": "whether the schema is there",
    "directory.signing_keys._read": "keys that all processes share",
    "gateway.async_results._event": "keys that all processes share",
    "gateway.async_results._keys": "keys that all processes share",
    "gateway.async_results._results": "keys that all processes share",
    "gateway.health._database": "whether the schema is there",
    "gateway.oauth._token": "keys that all processes share",
    "gateway.searching.cursors": "a secret that all processes share",
    "worker.tasks.maintain": "keys that all processes share",
}


def test_who_sees_several_tenants_is_known() -> None:
    for name, allowed in ACROSS.items():
        users = {place for place, node in _nodes() if _spelled(node) == name}

        assert users == allowed.keys(), name


def test_who_names_no_tenant_is_known() -> None:
    calls = _calls("database.transaction")

    assert len(calls) > 25
    assert {place for place, call in calls if len(call.args) == 1} == NOBODY.keys()


def test_every_process_works_under_a_role_that_cannot_pass_the_wall() -> None:
    own = [(place, call) for place, call in _calls("connect") if place == "gateway.app.create"]
    calls = [*_calls("database.connect"), *own]

    without = {place for place, call in calls if "role" not in {keyword.arg for keyword in call.keywords}}

    assert len(calls) > 7
    assert without == {"directory.commands.migrate"}


def _calls(name: str) -> list[tuple[str, ast.Call]]:
    return [(place, node) for place, node in _nodes() if isinstance(node, ast.Call) and _spelled(node.func) == name]


@cache
def _nodes() -> list[tuple[str, ast.AST]]:
    """Return every node of the code, with the function that it stands in."""
    found: list[tuple[str, ast.AST]] = []
    for path in sorted(SERVICES.rglob("*.py")):
        module = ".".join(path.relative_to(SERVICES).with_suffix("").parts)
        found += _within(module, ast.parse(path.read_text()))
    return found


def _within(place: str, parent: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(parent):
        yield place, node
        inner = f"{place}.{node.name}" if isinstance(node, ast.FunctionDef) else place
        yield from _within(inner, node)


def _spelled(node: ast.AST) -> str:
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return f"{module}.{name}"
        case ast.Name(id=name):
            return name
        case _:
            return ""
