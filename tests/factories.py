"""Make what tests need and do not care about: people, groups, PATCH messages, writes for the journal, a client."""

from dataclasses import dataclass
from itertools import count
from typing import Any, Self

import httpx

from services.directory import ids
from services.directory.journal import Write
from services.directory.tokens import Principal
from shared.scim import messages, resource_types
from shared.scim import patch as patches
from shared.scim.schemas import enterprise, group, user

_numbers = count(1)


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A tenant with one token."""

    principal: Principal
    secret: str


class Client(httpx.Client):
    """A SCIM client of one tenant."""

    def __init__(self, public_url: str, tenant: Tenant) -> None:
        super().__init__(
            base_url=public_url + "/rest/scim/v2",
            headers={"Authorization": f"Bearer {tenant.secret}", "Content-Type": "application/scim+json"},
            timeout=60,
        )
        self.tenant = tenant

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def create_user(self, **attributes: Any) -> dict[str, Any]:
        """Create a user, and return it."""
        return self._created("/Users", person(**attributes))

    def create_group(self, **attributes: Any) -> dict[str, Any]:
        """Create a group, and return it."""
        return self._created("/Groups", role(**attributes))

    def _created(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        response = self.post(endpoint, json=body)
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created


def person(**attributes: Any) -> dict[str, Any]:
    """Return a User to create, with a user name of its own."""
    return {"schemas": [user.URN], "userName": f"person{next(_numbers)}@example.com"} | attributes


def employee(**attributes: Any) -> dict[str, Any]:
    """Return a User with the enterprise extension."""
    return person(**{"schemas": [user.URN, enterprise.URN], enterprise.URN: {"department": "Sales"}} | attributes)


def role(**attributes: Any) -> dict[str, Any]:
    """Return a Group to create, with a name of its own."""
    return {"schemas": [group.URN], "displayName": f"Group {next(_numbers)}"} | attributes


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """Return a PATCH message."""
    return {"schemas": [messages.PATCH_OP], "Operations": list(operations)}


def replace(path: str, value: Any) -> dict[str, Any]:
    """Return a replace operation."""
    return {"op": "replace", "path": path, "value": value}


def bulk(*operations: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a bulk request."""
    return {"schemas": [messages.BULK_REQUEST], "Operations": list(operations), **members}


def bulk_post(bulk_id: str, path: str, data: Any) -> dict[str, Any]:
    """Return a POST of a bulk request."""
    return {"method": "POST", "path": path, "bulkId": bulk_id, "data": data}


def write(tenant: Tenant, method: str = "POST", request: Any = None, **fields: Any) -> Write:
    """Return a write for the journal: the creation of a person, unless told otherwise."""
    body = person() if request is None and method == "POST" else request
    defaults: dict[str, Any] = {
        "id": ids.new(),
        "lane": ids.new(),
        "resource_type": "User",
        "request_id": "test",
        "if_match": None,
        "reply_to": "outcomes:test",
    }
    tenancy = {"tenant_id": tenant.principal.tenant_id, "token_id": tenant.principal.token_id}
    if method == "PATCH":
        body = patches.document(patches.parse(request, resource_types.BY_NAME[fields.get("resource_type", "User")]))
    return Write(method=method, request=body, **(tenancy | defaults | fields))
