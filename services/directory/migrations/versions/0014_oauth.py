"""Clients that ask for access tokens or bring an issuer's, assertions that were used, and the ring of signing keys."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE client (
    id UUID NOT NULL,
    tenant_id UUID NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    hint TEXT,
    sha256 BYTEA,
    issuer TEXT,
    subject TEXT,
    audiences TEXT[] DEFAULT '{}' NOT NULL,
    jwks_url TEXT,
    scopes TEXT[] NOT NULL,
    networks TEXT[] DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    last_used_from TEXT,
    PRIMARY KEY (id),
    CONSTRAINT fk_client_tenant_id FOREIGN KEY (tenant_id) REFERENCES tenant (id),
    CHECK ((sha256 IS NOT NULL) = (kind = 'secret')),
    CHECK ((issuer IS NOT NULL) = (kind <> 'secret'))
);
CREATE INDEX ix_client_issuer ON client (issuer) WHERE kind = 'bearer' AND revoked_at IS NULL;
CREATE TABLE used_assertion (
    client_id UUID NOT NULL,
    jti BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (client_id, jti)
);
CREATE TABLE signing_key (
    kid TEXT NOT NULL,
    value BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    signs_from TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (kid)
);
"""


def upgrade() -> None:
    """Add the tables; an older release does not look at them, and signs with the key that becomes the ring's first."""
    op.execute(SQL)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError
