"""What a token permits, until when, from where, and when it was last used."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SQL = """
ALTER TABLE token
    ADD COLUMN scopes TEXT[] DEFAULT '{groups,read,users,write}' NOT NULL,
    ADD COLUMN networks TEXT[] DEFAULT '{}' NOT NULL,
    ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN replaces UUID,
    ADD COLUMN last_used_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN last_used_from TEXT,
    ADD COLUMN warned_days INTEGER,
    ADD CONSTRAINT fk_token_replaces FOREIGN KEY (replaces) REFERENCES token (id);
CREATE INDEX ix_token_replaces ON token (replaces);
"""


def upgrade() -> None:
    """Add the columns; tokens that are there permit everything and do not end."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
