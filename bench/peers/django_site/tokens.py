"""Let in who has the token."""

import os
from collections.abc import Callable
from typing import Any

from django_site.models import User

EXPECTED = f"Bearer {os.environ['TOKEN']}"


class BearerMiddleware:
    """Says who asks, without a query: the token is the only one."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        self._somebody = User(username="bench")

    def __call__(self, request: Any) -> Any:
        if request.headers.get("Authorization") == EXPECTED:
            request.user = self._somebody
        return self._get_response(request)
