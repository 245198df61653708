"""Describe the tables of regions: which ones a tenant has, and the rules that somebody saved, each time a row."""

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.directory.tables import metadata

_TIME = DateTime(timezone=True)

region = Table(
    "region",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("uq_region_name", "tenant_id", text("lower(name)"), unique=True),
)
region_rules = Table(
    "region_rules",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("rules", JSONB(none_as_null=True), nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_at", _TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("known_at", _TIME),
    Column("done_up_to", Uuid),
    Column("moves", Integer, nullable=False, server_default="0"),
    Column("ended_at", _TIME),
    Index("uq_region_rules_number", "tenant_id", "number", unique=True),
    Index("ix_region_rules_unended", "tenant_id", postgresql_where=text("ended_at IS NULL")),
)
