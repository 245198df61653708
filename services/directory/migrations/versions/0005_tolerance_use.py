"""Which tolerances the clients of each tenant rely on, and how much."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE tolerance_use (
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    uses BIGINT NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    PRIMARY KEY (tenant_id, name),
    CONSTRAINT fk_tolerance_use_tenant_id FOREIGN KEY(tenant_id) REFERENCES tenant (id)
);
"""


def upgrade() -> None:
    """Add the table; the previous release does not know it."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
