"""Let tenants declare extensions: their declarations, and the bag in which employees and roles keep the values."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The indexes are empty when they are made: no row has a bag yet, and they hold only rows that have one.
SQL = """
ALTER TABLE tenant ADD COLUMN catalogue_version BIGINT DEFAULT '0' NOT NULL;
CREATE TABLE extension (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    urn TEXT NOT NULL,
    document JSONB NOT NULL,
    declared_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    CONSTRAINT fk_extension_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
CREATE INDEX ix_extension_tenant_id ON extension (tenant_id);
CREATE UNIQUE INDEX uq_extension_urn ON extension (tenant_id, lower(urn)) WHERE ended_at IS NULL;
ALTER TABLE employee ADD COLUMN extensions JSONB;
ALTER TABLE role ADD COLUMN extensions JSONB;
CREATE INDEX ix_employee_extensions ON employee USING gin (CAST(lower(CAST(extensions AS TEXT)) AS JSONB) jsonb_path_ops) WHERE extensions IS NOT NULL;
CREATE INDEX ix_role_extensions ON role USING gin (CAST(lower(CAST(extensions AS TEXT)) AS JSONB) jsonb_path_ops) WHERE extensions IS NOT NULL;
"""


def upgrade() -> None:
    """Add the table and the columns; the previous release neither reads nor writes them."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
