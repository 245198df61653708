"""Keep meta.created and meta.lastModified as they are shown, in milliseconds, so that comparing with what is shown works."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TRUNCATE = """
UPDATE {table} SET meta_created = date_trunc('milliseconds', meta_created),
                   meta_last_modified = date_trunc('milliseconds', meta_last_modified)
WHERE meta_created <> date_trunc('milliseconds', meta_created)
   OR meta_last_modified <> date_trunc('milliseconds', meta_last_modified)
"""


def upgrade() -> None:
    """Cut what is stored; what the previous release still writes is cut when it is next changed."""
    for table in ("employee", "role"):
        op.execute(TRUNCATE.format(table=table))


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
