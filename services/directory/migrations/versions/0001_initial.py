"""The first schema: tenants, tokens, employees, roles, memberships, history, and the journal with its lanes."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = """
CREATE SEQUENCE history_id;
CREATE SEQUENCE operation_position;
CREATE TABLE history (
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    id BIGINT DEFAULT nextval('history_id') NOT NULL,
    tenant_id UUID NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id UUID NOT NULL,
    kind TEXT NOT NULL,
    changes JSONB NOT NULL,
    operation_id UUID NOT NULL,
    token_id UUID NOT NULL,
    request_id TEXT NOT NULL,
    PRIMARY KEY (at, id)
)
 PARTITION BY RANGE (at);
CREATE INDEX ix_history_resource ON history (resource_id, at);
CREATE TABLE lane (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    shard INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE operation (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    token_id UUID NOT NULL,
    request_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    lane UUID NOT NULL,
    seq BIGINT NOT NULL,
    shard INTEGER NOT NULL,
    position BIGINT NOT NULL,
    method TEXT NOT NULL,
    request JSONB,
    if_match TEXT,
    reply_to TEXT NOT NULL,
    accepted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    starts INTEGER DEFAULT '0' NOT NULL,
    delays INTEGER DEFAULT '0' NOT NULL,
    not_before TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    settled_at TIMESTAMP WITH TIME ZONE,
    status INTEGER,
    outcome JSONB,
    PRIMARY KEY (id)
)
 PARTITION BY RANGE (id);
CREATE INDEX ix_operation_lane ON operation (lane, seq);
CREATE INDEX ix_operation_pending ON operation (shard, position) WHERE state = 'pending';
CREATE TABLE shard (
    id INTEGER NOT NULL,
    running UUID[] NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE tenant (
    id UUID NOT NULL,
    slug TEXT NOT NULL,
    domain TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (slug),
    UNIQUE (domain)
);
CREATE TABLE employee (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    meta_created TIMESTAMP WITH TIME ZONE NOT NULL,
    meta_last_modified TIMESTAMP WITH TIME ZONE NOT NULL,
    external_id TEXT,
    user_name TEXT NOT NULL,
    name_formatted TEXT,
    name_family_name TEXT,
    name_given_name TEXT,
    name_middle_name TEXT,
    name_honorific_prefix TEXT,
    name_honorific_suffix TEXT,
    display_name TEXT,
    nick_name TEXT,
    profile_url TEXT,
    title TEXT,
    user_type TEXT,
    preferred_language TEXT,
    locale TEXT,
    timezone TEXT,
    active BOOLEAN,
    emails JSONB,
    phone_numbers JSONB,
    ims JSONB,
    photos JSONB,
    addresses JSONB,
    entitlements JSONB,
    roles JSONB,
    x509_certificates JSONB,
    enterprise_employee_number TEXT,
    enterprise_cost_center TEXT,
    enterprise_organization TEXT,
    enterprise_division TEXT,
    enterprise_department TEXT,
    enterprise_manager_value TEXT,
    version BIGINT NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    region TEXT DEFAULT 'HQ' NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT fk_employee_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_employee_addresses ON employee USING gin (CAST(lower(CAST(addresses AS TEXT)) AS JSONB) jsonb_path_ops) WHERE addresses IS NOT NULL;
CREATE INDEX ix_employee_emails ON employee USING gin (CAST(lower(CAST(emails AS TEXT)) AS JSONB) jsonb_path_ops) WHERE emails IS NOT NULL;
CREATE INDEX ix_employee_entitlements ON employee USING gin (CAST(lower(CAST(entitlements AS TEXT)) AS JSONB) jsonb_path_ops) WHERE entitlements IS NOT NULL;
CREATE INDEX ix_employee_external_id ON employee (tenant_id, external_id) WHERE deleted_at IS NULL;
CREATE INDEX ix_employee_ims ON employee USING gin (CAST(lower(CAST(ims AS TEXT)) AS JSONB) jsonb_path_ops) WHERE ims IS NOT NULL;
CREATE INDEX ix_employee_order ON employee (tenant_id, id) WHERE deleted_at IS NULL;
CREATE INDEX ix_employee_phone_numbers ON employee USING gin (CAST(lower(CAST(phone_numbers AS TEXT)) AS JSONB) jsonb_path_ops) WHERE phone_numbers IS NOT NULL;
CREATE INDEX ix_employee_photos ON employee USING gin (CAST(lower(CAST(photos AS TEXT)) AS JSONB) jsonb_path_ops) WHERE photos IS NOT NULL;
CREATE INDEX ix_employee_roles ON employee USING gin (CAST(lower(CAST(roles AS TEXT)) AS JSONB) jsonb_path_ops) WHERE roles IS NOT NULL;
CREATE INDEX ix_employee_x509_certificates ON employee USING gin (CAST(lower(CAST(x509_certificates AS TEXT)) AS JSONB) jsonb_path_ops) WHERE x509_certificates IS NOT NULL;
CREATE UNIQUE INDEX uq_employee_user_name ON employee (tenant_id, lower(user_name)) WHERE deleted_at IS NULL;
CREATE TABLE role (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    meta_created TIMESTAMP WITH TIME ZONE NOT NULL,
    meta_last_modified TIMESTAMP WITH TIME ZONE NOT NULL,
    external_id TEXT,
    display_name TEXT NOT NULL,
    version BIGINT NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT fk_role_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_role_external_id ON role (tenant_id, external_id) WHERE deleted_at IS NULL;
CREATE INDEX ix_role_order ON role (tenant_id, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_role_display_name ON role (tenant_id, lower(display_name)) WHERE deleted_at IS NULL;
CREATE TABLE token (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    sha256 BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT fk_token_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id),
    UNIQUE (sha256)
);
CREATE TABLE membership (
    role_id UUID NOT NULL,
    member_id UUID NOT NULL,
    member_type TEXT NOT NULL,
    tenant_id UUID NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (role_id, member_id),
    CONSTRAINT fk_membership_role_id FOREIGN KEY(role_id) REFERENCES role (id),
    CONSTRAINT fk_membership_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_membership_member ON membership (member_id, role_id);
"""


def upgrade() -> None:
    """Create everything; partitions of journal and history are made by `services.directory.partitions`."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
