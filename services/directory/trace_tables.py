"""Describe the tables of what requests leave behind beside the journal: refusals, counts, first times and sightings.

None of it is written in the path of a request. The first two are partitioned by week, and dropped soon.
"""

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.directory.tables import metadata

_TIME = DateTime(timezone=True)

refused = Table(
    "refused",
    metadata,
    Column("at", _TIME, nullable=False),
    Column("id", Uuid, nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("token_id", Uuid, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("resource_type", Text),
    Column("resource_id", Uuid),
    Column("status", Integer, nullable=False),
    Column("scim_type", Text),
    Column("detail", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("terms", ARRAY(Text), nullable=False),
    Column("filter", Text),
    Column("body", JSONB(none_as_null=True)),
    Column("operation_id", Uuid),
    PrimaryKeyConstraint("at", "id"),
    Index("ix_refused_terms", "terms", postgresql_using="gin"),
    Index("ix_refused_tenant", "tenant_id", "at"),
    postgresql_partition_by="RANGE (at)",
)
traffic = Table(
    "traffic",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("minute", _TIME, nullable=False),
    Column("token_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant_id", "minute", "token_id", "kind", "result"),
    postgresql_partition_by="RANGE (minute)",
)
milestone = Table(
    "milestone",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("token_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("at", _TIME, nullable=False),
    Column("request_id", Text, nullable=False),
    PrimaryKeyConstraint("token_id", "name"),
)
sighting = Table(
    "sighting",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("token_id", Uuid, nullable=False),
    Column("what", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("first_at", _TIME, nullable=False),
    Column("last_at", _TIME, nullable=False),
    Column("request_id", Text, nullable=False),
    PrimaryKeyConstraint("token_id", "what", "about"),
)
