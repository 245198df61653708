"""The parameters that requests may have, as the OpenAPI document describes them."""

from shared.scim import filters, idempotency_keys, jsonschema, projection, resource_types, searches
from shared.scim.openapi import Parameter

TEXT = {"type": "string"}

ID = Parameter(name="resource_id", place="path", description="The resource's id.", schema=TEXT)
NAME = Parameter(
    name="name",
    place="path",
    description="The name of a resource type.",
    schema=TEXT | {"examples": [kind.name for kind in resource_types.ALL]},
)
URN = Parameter(
    name="urn",
    place="path",
    description="The URN of a schema.",
    schema=TEXT | {"examples": [schema.id for schema in resource_types.BUILT_IN.schemas.values()]},
)
TXN = Parameter(
    name="txn",
    place="path",
    description=(
        "What the 202 said in Set-Txn; for one operation of a bulk request followed by `:` and its place, from zero."
    ),
    schema=TEXT,
)
ASSET = Parameter(name="asset", place="path", description="The name of a file.", schema=TEXT)
IF_MATCH = Parameter(
    name="If-Match", place="header", description="The version that the resource must have.", schema=TEXT
)
IF_NONE_MATCH = Parameter(
    name="If-None-Match",
    place="header",
    description="The version that the client has. It says nothing of other resources, whose names an answer may show.",
    schema=TEXT,
)
PREFER = Parameter(
    name="Prefer",
    place="header",
    description="`respond-async` asks for 202 and the outcome later (RFC 9967); `wait=10` for that only after 10 s.",
    schema=TEXT | {"examples": ["respond-async", "respond-async, wait=10"]},
)
IDEMPOTENCY_KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    description=(
        "A string in quotes, new for each request and the same when it is sent again: for 24 hours the answer is then "
        "the outcome of the first time (draft-ietf-httpapi-idempotency-key-header-07). Without one an identical write "
        "is recognised if the answer to it was lost."
    ),
    schema=TEXT | {"minLength": 1, "pattern": idempotency_keys.PATTERN},
)
PROJECTION = (
    Parameter(
        name="attributes",
        place="query",
        description=f"What to show, with commas between the names, of which there are at most {projection.MAX_NAMES}.",
        schema=TEXT,
    ),
    Parameter(
        name="excludedAttributes",
        place="query",
        description="What not to show, with commas between the names; not together with `attributes`.",
        schema=TEXT,
    ),
)
QUERY = (
    Parameter(
        name="filter",
        place="query",
        description=f"Which resources (RFC 7644 section 3.4.2.2): at most {filters.MAX_LENGTH} characters, "
        f"{filters.MAX_TERMS} comparisons and {filters.MAX_DEPTH} levels.",
        schema=TEXT,
    ),
    Parameter(
        name="sortBy",
        place="query",
        description="The path of the attribute that gives the order (RFC 7644 section 3.4.2.3).",
        schema=TEXT,
    ),
    Parameter(
        name="sortOrder", place="query", description="The direction.", schema=TEXT | {"enum": list(searches.ORDERS)}
    ),
    Parameter(
        name="startIndex",
        place="query",
        description="The first of this page, counted from 1.",
        schema=jsonschema.WHOLE,
    ),
    Parameter(
        name="count",
        place="query",
        description="The most that this page holds; a page by cursor refuses what is beyond the server's largest.",
        schema=jsonschema.WHOLE,
    ),
    Parameter(
        name="cursor",
        place="query",
        description="Empty for the first page, then what the last answer called `nextCursor` (RFC 9865).",
        schema=TEXT,
    ),
)
