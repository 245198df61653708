"""Admins of the staff portal, and permissions of roles; what employees are searched by, and what the audit is asked for."""

import sqlalchemy as sa
from alembic import op

from services.directory import searching
from shared.scim import resource_types

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE admin (
    id UUID NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL CONSTRAINT fk_admin_tenant_id REFERENCES tenant (id),
    email TEXT NOT NULL,
    password TEXT,
    permissions TEXT[] NOT NULL,
    employee_id UUID CONSTRAINT fk_admin_employee_id REFERENCES employee (id),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);
CREATE UNIQUE INDEX uq_admin_email ON admin (lower(email));
CREATE INDEX ix_admin_tenant_id ON admin (tenant_id);
CREATE TABLE portal_session (
    sha256 BYTEA NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL CONSTRAINT fk_portal_session_tenant_id REFERENCES tenant (id),
    admin_id UUID NOT NULL CONSTRAINT fk_portal_session_admin_id REFERENCES admin (id) ON DELETE CASCADE,
    began_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE INDEX ix_portal_session_admin_id ON portal_session (admin_id);
CREATE TABLE sign_in_link (
    sha256 BYTEA NOT NULL PRIMARY KEY,
    tenant_id UUID NOT NULL CONSTRAINT fk_sign_in_link_tenant_id REFERENCES tenant (id),
    admin_id UUID NOT NULL CONSTRAINT fk_sign_in_link_admin_id REFERENCES admin (id) ON DELETE CASCADE,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE INDEX ix_sign_in_link_admin_id ON sign_in_link (admin_id);
CREATE TABLE sign_in_attempt (
    subject BYTEA NOT NULL PRIMARY KEY,
    attempts INTEGER NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE TABLE role_permission (
    role_id UUID NOT NULL CONSTRAINT fk_role_permission_role_id REFERENCES role (id),
    tenant_id UUID NOT NULL CONSTRAINT fk_role_permission_tenant_id REFERENCES tenant (id),
    permission TEXT NOT NULL,
    PRIMARY KEY (role_id, permission)
);
CREATE INDEX ix_audit_target ON audit (tenant_id, target, seq) WHERE target IS NOT NULL;
ALTER TABLE role ADD COLUMN source UUID;
ALTER TABLE employee ADD COLUMN source UUID, ADD COLUMN search TEXT;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
"""
SOURCES = """
UPDATE {table} r SET source = h.token_id
FROM history h WHERE h.resource_id = r.id AND h.kind = 'created'
"""
EMPLOYEES = """
SELECT id, user_name, display_name, name_formatted, name_given_name, name_family_name, emails,
       enterprise_employee_number
FROM employee WHERE deleted_at IS NULL AND id > :last ORDER BY id LIMIT 1000
"""
INDEX = "CREATE INDEX ix_employee_search ON employee USING gin (search gin_trgm_ops) WHERE deleted_at IS NULL"


def upgrade() -> None:
    """Make the tables, and fill both columns; what the previous release still writes is found when it next changes."""
    op.execute(TABLES)
    for table in ("employee", "role"):
        op.execute(SOURCES.format(table=table))
    _fill()
    op.execute(INDEX)


def downgrade() -> None:
    """Restore a backup instead: a downgrade would lose what was written since."""
    raise NotImplementedError


def _fill() -> None:
    connection, last = op.get_bind(), "00000000-0000-0000-0000-000000000000"
    update = sa.text("UPDATE employee SET search = :search WHERE id = :id")
    while found := connection.execute(sa.text(EMPLOYEES), {"last": last}).mappings().all():
        texts = [{"id": row["id"], "search": searching.text(resource_types.USERS, _resource(row))} for row in found]
        connection.execute(update, texts)
        last = found[-1]["id"]


def _resource(row: sa.RowMapping) -> dict[str, object]:
    """Return what is searched of a row, as the release that first searched had it."""
    name = {"formatted": row["name_formatted"], "givenName": row["name_given_name"]}
    return {
        "userName": row["user_name"],
        "displayName": row["display_name"],
        "name": name | {"familyName": row["name_family_name"]},
        "emails": row["emails"],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": row["enterprise_employee_number"]
        },
    }
