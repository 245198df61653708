"""What all processes counted, added up."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE counter (
    name TEXT NOT NULL,
    label TEXT NOT NULL,
    total BIGINT NOT NULL,
    PRIMARY KEY (name, label)
);
"""


def upgrade() -> None:
    """Add the table; the previous release does not know it."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
