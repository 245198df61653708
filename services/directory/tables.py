"""Describe every table of the directory; the columns of employees and roles come from the registry.

The migrations create them; a test compares the two. The journal is partitioned by its id, a UUIDv7 that starts with
the time, and the history by its time, so that old parts are dropped as a whole.
"""

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    Text,
    Uuid,
    cast,
    event,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.directory import columns, searching
from services.directory.region_rules import HQ
from shared.scim import resource_types
from shared.scim.attributes import ResourceType
from shared.scim.schemas.common import ID
from shared.scim.schemas.user import DISPLAY_NAME

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "fk": "fk_%(table_name)s_%(column_0_N_name)s"}
)
# Looking for people by any part of their names (docs/decisions/0035-search-by-trigrams.md).
event.listen(metadata, "before_create", DDL("CREATE EXTENSION IF NOT EXISTS pg_trgm"))  # type: ignore[no-untyped-call]
_JSON = JSONB(none_as_null=True)
_TIME = DateTime(timezone=True)
_PENDING = text("state = 'pending'")


def _resource_table(name: str, resource_type: ResourceType, *own: Column[Any]) -> Table:
    derived = columns.of(resource_type)
    table = Table(
        name,
        metadata,
        Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
        *(Column(c.name, c.sql_type, primary_key=c.leaf is ID, nullable=not _is_always_there(c)) for c in derived),
        Column(columns.BAG, _JSON),
        Column("version", BigInteger, nullable=False),
        Column("source", Uuid),
        Column("deleted_at", _TIME),
        *own,
    )
    living = table.c.deleted_at.is_(None)
    for column in derived:
        key = columns.ordered(column.leaf, table.c[column.name])
        if column.is_unique:
            Index(f"uq_{name}_{column.name}", table.c.tenant_id, key, unique=True, postgresql_where=living)
        elif column.leaf.is_ordered:
            Index(f"ix_{name}_{column.name}", table.c.tenant_id, key, table.c.id, postgresql_where=living)
    for document in (*(column.name for column in derived if column.is_document), columns.BAG):
        Index(
            f"ix_{name}_{document}",
            folded(table.c[document]),
            postgresql_using="gin",
            postgresql_ops={"folded": "jsonb_path_ops"},
            postgresql_where=table.c[document].is_not(None),
        )
    for column in derived:
        if column.leaf.is_sought and not column.is_document:
            key, gone = columns.ordered(column.leaf, table.c[column.name]), table.c.deleted_at.is_not(None)
            Index(f"ix_{name}_gone_{column.name}", table.c.tenant_id, key, postgresql_where=gone)
    Index(f"ix_{name}_order", table.c.tenant_id, table.c.id, postgresql_where=living)
    return table


def folded(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a document in lower case, as it is indexed: most sub-attributes are compared without regard to case."""
    return cast(func.lower(cast(column, Text)), JSONB).label("folded")


def _is_always_there(column: columns.Column) -> bool:
    return column.leaf.required or column.schema is resource_types.COMMON


tenant = Table(
    "tenant",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("domain", Text, unique=True),
    Column("created_at", _TIME, nullable=False, server_default=func.now()),
    Column("catalogue_version", BigInteger, nullable=False, server_default="0"),
)
extension = Table(
    "extension",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("urn", Text, nullable=False),
    Column("document", _JSON, nullable=False),
    Column("declared_at", _TIME, nullable=False, server_default=func.now()),
    Column("ended_at", _TIME),
    Index("ix_extension_tenant_id", "tenant_id"),
    Index("uq_extension_urn", "tenant_id", text("lower(urn)"), unique=True, postgresql_where=text("ended_at IS NULL")),
)
token = Table(
    "token",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("created_at", _TIME, nullable=False, server_default=func.now()),
    Column("revoked_at", _TIME),
    Column("user_id", Uuid, ForeignKey("employee.id")),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{groups,read,users,write}'")),
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("expires_at", _TIME),
    Column("replaces", Uuid, ForeignKey("token.id")),
    Column("last_used_at", _TIME),
    Column("last_used_from", Text),
    Column("warned_days", Integer),
    Index("ix_token_replaces", "replaces"),
)
client = Table(
    "client",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("hint", Text),
    Column("sha256", LargeBinary),
    Column("issuer", Text),
    Column("subject", Text),
    Column("audiences", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("jwks_url", Text),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("networks", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("created_at", _TIME, nullable=False, server_default=func.now()),
    Column("revoked_at", _TIME),
    Column("last_used_at", _TIME),
    Column("last_used_from", Text),
    CheckConstraint("(sha256 IS NOT NULL) = (kind = 'secret')"),
    CheckConstraint("(issuer IS NOT NULL) = (kind <> 'secret')"),
    Index("ix_client_issuer", "issuer", postgresql_where=text("kind = 'bearer' AND revoked_at IS NULL")),
)
used_assertion = Table(
    "used_assertion",
    metadata,
    Column("client_id", Uuid, primary_key=True),
    Column("jti", LargeBinary, primary_key=True),
    Column("expires_at", _TIME, nullable=False),
)
signing_key = Table(
    "signing_key",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=func.now()),
    Column("signs_from", _TIME, nullable=False),
    Column("ends_at", _TIME),
)
employee = _resource_table(
    "employee",
    resource_types.USERS,
    Column("region", Text, nullable=False, server_default=HQ),
    Column(searching.COLUMN, Text),
)
Index(
    "ix_employee_search",
    employee.c[searching.COLUMN],
    postgresql_using="gin",
    postgresql_ops={searching.COLUMN: "gin_trgm_ops"},
    postgresql_where=employee.c.deleted_at.is_(None),
)
_named = next(c for c in columns.of(resource_types.USERS) if c.leaf is DISPLAY_NAME)
Index(
    "ix_employee_region",
    employee.c.tenant_id,
    employee.c.region,
    columns.ordered(DISPLAY_NAME, employee.c[_named.name]),
    employee.c.id,
    postgresql_where=employee.c.deleted_at.is_(None),
)
Index(
    "ix_employee_inactive",
    employee.c.tenant_id,
    columns.ordered(DISPLAY_NAME, employee.c[_named.name]),
    employee.c.id,
    postgresql_where=employee.c.deleted_at.is_(None) & employee.c.active.is_(False),
)
role = _resource_table("role", resource_types.GROUPS)
OF = {resource_types.USERS.name: employee, resource_types.GROUPS.name: role}
membership = Table(
    "membership",
    metadata,
    Column("role_id", Uuid, ForeignKey("role.id"), nullable=False),
    Column("member_id", Uuid, nullable=False),
    Column("member_type", Text, nullable=False),
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("since", _TIME, nullable=False),
    PrimaryKeyConstraint("role_id", "member_id"),
    Index("ix_membership_member", "member_id", "role_id"),
)
counter = Table(
    "counter",
    metadata,
    Column("name", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint("name", "label"),
)
tolerance_use = Table(
    "tolerance_use",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("tenant.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("last_used_at", _TIME, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("tenant_id", "name"),
)
# By what was it known before? Few changes are of what somebody looks for, so their index costs next to nothing.
RENAMED = "kind = 'changed' AND ({})".format(
    " OR ".join(f"""changes @> '[{{"attribute": "{name}"}}]'""" for name in columns.sought())
)
REFUSED = "request IS NOT NULL AND (status >= 400 OR state = 'cancelled')"
"""What was accepted, and had no effect; few operations are, and they are found by what they say."""
history = Table(
    "history",
    metadata,
    Column("at", _TIME, nullable=False),
    Column("id", BigInteger, nullable=False, server_default=text("nextval('history_id')")),
    Column("tenant_id", Uuid, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("changes", _JSON, nullable=False),
    Column("operation_id", Uuid, nullable=False),
    Column("token_id", Uuid, nullable=False),
    Column("request_id", Text, nullable=False),
    PrimaryKeyConstraint("at", "id"),
    Index("ix_history_resource", "resource_id", "at"),
    Index(
        "ix_history_renamed",
        text("(lower(changes::text)::jsonb) jsonb_path_ops"),
        postgresql_using="gin",
        postgresql_where=text(RENAMED),
    ),
    postgresql_partition_by="RANGE (at)",
)
history_id = Sequence("history_id", metadata=metadata)
lane = Table(
    "lane",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
)
operation = Table(
    "operation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("token_id", Uuid, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("lane", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("request", _JSON),
    Column("if_match", Text),
    Column("reply_to", Text, nullable=False),
    Column("accepted_at", _TIME, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("starts", Integer, nullable=False, server_default="0"),
    Column("delays", Integer, nullable=False, server_default="0"),
    Column("not_before", _TIME),
    Column("last_error", Text),
    Column("settled_at", _TIME),
    Column("status", Integer),
    Column("outcome", _JSON),
    Column("failures", _JSON),
    Column("replay_of", Uuid),
    Column("discarded_at", _TIME),
    Column("discarded_by", Text),
    Column("discarded_why", Text),
    Column("wave", Integer),
    Column("needs", ARRAY(Uuid)),
    Column("bulk_id", Text),
    Column("path", Text),
    Index("ix_operation_dead", "id", postgresql_where=text("state = 'dead'")),
    Column("is_urgent", Boolean, nullable=False, server_default="false"),
    Index("ix_operation_pending", "shard", "tenant_id", "position", postgresql_where=_PENDING),
    Index(
        "ix_operation_urgent",
        "shard",
        "tenant_id",
        "position",
        postgresql_where=text("state = 'pending' AND is_urgent"),
    ),
    Index(
        "ix_operation_held",
        "shard",
        "lane",
        postgresql_where=text("state = 'pending' AND (not_before IS NOT NULL OR wave > 0)"),
    ),
    Index("ix_operation_pending_lane", "lane", "seq", postgresql_where=_PENDING),
    Index("ix_operation_lane", "lane", "seq"),
    Index("ix_operation_request_id", "request_id"),
    Index(
        "ix_operation_refused",
        text("(lower(request::text)::jsonb) jsonb_path_ops"),
        postgresql_using="gin",
        postgresql_where=text(REFUSED),
    ),
    postgresql_partition_by="RANGE (id)",
)
operation_position = Sequence("operation_position", metadata=metadata)
unanswered = Table(
    "unanswered",
    metadata,
    Column("operation_id", Uuid, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("answering", Integer),
    Column("since", _TIME, nullable=False),
    Index("ix_unanswered_digest", "digest"),
)
idempotency_key = Table(
    "idempotency_key",
    metadata,
    Column("token_id", Uuid, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("operation_id", Uuid, nullable=False),
    Column("claimed_at", _TIME, nullable=False),
)
shard = Table(
    "shard",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("running", ARRAY(Uuid), nullable=False),
    Column("settled", BigInteger, nullable=False, server_default="0"),
)
audit = Table(
    "audit",
    metadata,
    Column("tenant_id", Uuid, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", _TIME, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text),
    Column("details", _JSON),
    Column("salt", LargeBinary),
    Column("digest", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("tenant_id", "seq"),
    Index("ix_audit_target", "tenant_id", "target", "seq", postgresql_where=text("target IS NOT NULL")),
)
unsealed = Table(
    "unsealed",
    metadata,
    Column("operation_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
)
shared_key = Table(
    "shared_key",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
