"""Describe the tables of the staff portal: its admins, how they sign in, and what roles permit."""

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from services.directory.tables import metadata

_TIME = DateTime(timezone=True)

admin = Table(
    "admin",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("password", Text),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("employee_id", Uuid, ForeignKey("employee.id")),
    Column("created_at", _TIME, nullable=False, server_default=func.now()),
    Index("uq_admin_email", text("lower(email)"), unique=True),
    Index("ix_admin_tenant_id", "tenant_id"),
)
portal_session = Table(
    "portal_session",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("admin_id", Uuid, ForeignKey("admin.id", ondelete="CASCADE"), nullable=False),
    Column("began_at", _TIME, nullable=False, server_default=func.now()),
    Column("seen_at", _TIME, nullable=False, server_default=func.now()),
    Column("ends_at", _TIME, nullable=False),
    Index("ix_portal_session_admin_id", "admin_id"),
)
sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("sha256", LargeBinary, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("admin_id", Uuid, ForeignKey("admin.id", ondelete="CASCADE"), nullable=False),
    Column("ends_at", _TIME, nullable=False),
    Index("ix_sign_in_link_admin_id", "admin_id"),
)
sign_in_attempt = Table(
    "sign_in_attempt",
    metadata,
    Column("subject", LargeBinary, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("ends_at", _TIME, nullable=False),
)
role_permission = Table(
    "role_permission",
    metadata,
    Column("role_id", Uuid, ForeignKey("role.id"), nullable=False),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("permission", Text, nullable=False),
    PrimaryKeyConstraint("role_id", "permission"),
)
