"""Which operations nobody has heard the outcome of yet, and the keys that clients gave their writes."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE unanswered (
    operation_id UUID NOT NULL,
    digest BYTEA NOT NULL,
    answering INTEGER,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (operation_id)
);
CREATE INDEX ix_unanswered_digest ON unanswered (digest);
CREATE TABLE idempotency_key (
    token_id UUID NOT NULL,
    key BYTEA NOT NULL,
    digest BYTEA NOT NULL,
    operation_id UUID NOT NULL,
    claimed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (token_id, key)
);
"""


def upgrade() -> None:
    """Add the tables; what the previous release accepts is not in them, and so counts as answered."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
