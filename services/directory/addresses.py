"""Read the addresses that requests come from: as proxies write them, and in one way for all who look at them."""

import re
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

UNKNOWN = ""
"""What is no address; it is within no network, and all that come from there are one."""

LONGEST = 128
"""Characters of an address with a zone, a port and brackets, and more; what is longer is none, and not remembered."""

# Azure's gateways write a port beside the address in X-Forwarded-For:
# https://learn.microsoft.com/en-us/azure/application-gateway/how-application-gateway-works
_WITH_PORT = re.compile(r"\[(?P<six>[0-9A-Fa-f:.]+)\](:[0-9]+)?|(?P<four>[0-9.]+):[0-9]+")


class PlainAddresses:
    """A WSGI application around another one, which hears of each address written in one way."""

    def __init__(self, wsgi: Callable[..., Iterable[bytes]]) -> None:
        self._wsgi = wsgi

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self._wsgi({**environ, "REMOTE_ADDR": plain(environ.get("REMOTE_ADDR", ""))}, start_response)


def plain(text: str) -> str:
    """Return an address without its port and its zone, an IPv4 one as such, or UNKNOWN for what is none."""
    return _plain(text) if len(text) <= LONGEST else UNKNOWN


@lru_cache(4096)
def _plain(text: str) -> str:
    found = _WITH_PORT.fullmatch(text.strip())
    try:
        address = ip_address((found["six"] or found["four"] if found else text.strip()).partition("%")[0])
    except ValueError:
        return UNKNOWN
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def is_within(address: str, networks: Collection[str]) -> bool:
    """Whether a plain address is in one of these networks."""
    return address != UNKNOWN and any(ip_address(address) in ip_network(each) for each in networks)


@lru_cache(4096)
def network(address: str) -> str:
    """Return what counts as one address: of IPv6 the network that one customer has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return UNKNOWN
    return str(ip_network(f"{parsed}/64", strict=False)) if isinstance(parsed, IPv6Address) else address
