"""Regions of tenants, and the rules that say who belongs to which."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE region (
    tenant_id UUID NOT NULL CONSTRAINT fk_region_tenant_id REFERENCES tenant (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX uq_region_name ON region (tenant_id, lower(name));
CREATE TABLE region_rules (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL CONSTRAINT fk_region_rules_tenant_id REFERENCES tenant (id),
    number INTEGER NOT NULL,
    rules JSONB NOT NULL,
    saved_by TEXT NOT NULL,
    saved_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
    known_at TIMESTAMP WITH TIME ZONE,
    done_up_to UUID,
    moves INTEGER DEFAULT 0 NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE
);
CREATE UNIQUE INDEX uq_region_rules_number ON region_rules (tenant_id, number);
CREATE INDEX ix_region_rules_unended ON region_rules (tenant_id) WHERE ended_at IS NULL;
CREATE INDEX ix_employee_region ON employee (tenant_id, region, lower(left(display_name, 512)) COLLATE "C", id) WHERE deleted_at IS NULL;
"""


def upgrade() -> None:
    """Make the tables, and an index by region; the previous release goes on to put everybody into HQ."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
