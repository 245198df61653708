"""Tell why somebody was not provisioned: what was refused, how much came when, and indexes to look for people by."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE refused (
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    token_id UUID NOT NULL,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    resource_type TEXT,
    resource_id UUID,
    status INTEGER NOT NULL,
    scim_type TEXT,
    detail TEXT NOT NULL,
    reason TEXT NOT NULL,
    terms TEXT[] NOT NULL,
    filter TEXT,
    body JSONB,
    operation_id UUID,
    PRIMARY KEY (at, id)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_refused_tenant ON refused (tenant_id, at);
CREATE INDEX ix_refused_terms ON refused USING gin (terms);
CREATE TABLE traffic (
    tenant_id UUID NOT NULL,
    minute TIMESTAMP WITH TIME ZONE NOT NULL,
    token_id UUID NOT NULL,
    kind TEXT NOT NULL,
    result TEXT NOT NULL,
    requests BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, minute, token_id, kind, result)
)
 PARTITION BY RANGE (minute);
CREATE TABLE milestone (
    tenant_id UUID NOT NULL,
    token_id UUID NOT NULL,
    name TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (token_id, name),
    CONSTRAINT fk_milestone_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE TABLE sighting (
    tenant_id UUID NOT NULL,
    token_id UUID NOT NULL,
    what TEXT NOT NULL,
    about TEXT NOT NULL,
    times BIGINT NOT NULL,
    first_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (token_id, what, about),
    CONSTRAINT fk_sighting_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_employee_gone_display_name ON employee (tenant_id, (lower(left(display_name, 512)) COLLATE "C")) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_employee_gone_external_id ON employee (tenant_id, (external_id COLLATE "C")) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_employee_gone_name_family_name ON employee (tenant_id, (lower(left(name_family_name, 512)) COLLATE "C")) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_employee_gone_user_name ON employee (tenant_id, (lower(user_name) COLLATE "C")) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_employee_name_family_name ON employee (tenant_id, (lower(left(name_family_name, 512)) COLLATE "C"), id) WHERE deleted_at IS NULL;
CREATE INDEX ix_role_gone_display_name ON role (tenant_id, (lower(display_name) COLLATE "C")) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_role_gone_external_id ON role (tenant_id, (external_id COLLATE "C")) WHERE deleted_at IS NOT NULL;
CREATE INDEX ix_history_renamed ON history USING gin ((lower(changes::text)::jsonb) jsonb_path_ops) WHERE kind = 'changed' AND (changes @> '[{"attribute": "externalId"}]' OR changes @> '[{"attribute": "userName"}]' OR changes @> '[{"attribute": "name"}]' OR changes @> '[{"attribute": "displayName"}]' OR changes @> '[{"attribute": "emails"}]');
CREATE INDEX ix_operation_refused ON operation USING gin ((lower(request::text)::jsonb) jsonb_path_ops) WHERE request IS NOT NULL AND (status >= 400 OR state = 'cancelled');
CREATE INDEX ix_operation_request_id ON operation (request_id);
"""


def upgrade() -> None:
    """Add tables that the previous release does not know, and indexes that it keeps without knowing."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
