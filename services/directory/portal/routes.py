"""The record of a route, with whom it lets in: each route of the portal is one, and what is none is not there."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from services.directory.permissions import Permission


class Anyone(Enum):
    """Who gets in without a permission."""

    STRANGER = "everybody"
    SIGNED_IN = "everybody who is signed in"


Needs = Permission | Anyone


@dataclass(frozen=True, kw_only=True)
class Route:
    """One address of the portal."""

    rule: str
    endpoint: str
    view: Callable[..., Any]
    needs: Needs
    methods: tuple[str, ...] = ("GET",)
    is_polled: bool = False
    """Whether pages ask for it by themselves, which does not keep anybody signed in."""
    is_stream: bool = False
    """Whether its answer goes on, as server-sent events."""
