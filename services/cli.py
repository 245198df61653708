"""The `muster` command: every package of `services` adds its own commands here."""

import click

from services.demo import demo
from services.directory import (
    admin_commands,
    audit_commands,
    backlog_commands,
    client_commands,
    dead_commands,
    doctor_commands,
    key_commands,
    operation_commands,
    person_commands,
    region_commands,
    why_commands,
)
from services.directory import commands as directory
from services.directory import extension_commands as extensions
from services.directory import token_commands as tokens
from services.directory.portal import commands as portal
from services.gateway import commands as gateway
from services.gateway import edge
from services.simulator import commands as simulator
from services.stack import commands as stack
from services.worker import commands as worker


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="muster")
def main() -> None:
    """Muster: inbound SCIM 2.0 provisioning for Microsoft Entra ID and Okta."""


for command in (
    demo,
    stack.up,
    stack.restart,
    stack.down,
    directory.tenant,
    tokens.token,
    client_commands.client,
    key_commands.keys_group,
    why_commands.why_command,
    why_commands.cycles_command,
    why_commands.connections_command,
    admin_commands.admin,
    operation_commands.operations_group,
    directory.list_counters,
    doctor_commands.doctor,
    audit_commands.audit_group,
    extensions.extension,
    region_commands.region,
    simulator.simulate,
    directory.migrate,
    gateway.gateway,
    edge.edge,
    portal.portal,
    worker.worker,
    worker.beat,
    worker.flower,
):
    main.add_command(command)
for own in (person_commands.erase_person, person_commands.export_tenant):
    directory.tenant.add_command(own)
for own in (backlog_commands.show_backlog, backlog_commands.show_figures, dead_commands.retry, dead_commands.discard):
    operation_commands.operations_group.add_command(own)
directory.tenant.add_command(client_commands.trust_issuer)


if __name__ == "__main__":
    main()
