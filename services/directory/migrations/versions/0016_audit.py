"""The audit: chained rows, and the operations that wait to be sealed."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE audit (
    tenant_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    details JSONB,
    salt BYTEA,
    digest BYTEA NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
CREATE TABLE unsealed (
    operation_id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    PRIMARY KEY (operation_id)
);
"""


def upgrade() -> None:
    """Create both; what was settled before, or by the previous release meanwhile, is in no chain."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
