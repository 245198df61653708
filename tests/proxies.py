"""Run the proxy of docker-compose.yml, with its own configuration, and speak to it over sockets."""

import socket
import ssl
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.stack import children, ports
from services.stack.children import Child, Program
from tests import conftest

CADDY = Path(sysconfig.get_path("scripts")) / "caddy"
CONFIGURATION = Path(__file__).parents[1] / "docker" / "Caddyfile"
PATIENCE = 120.0


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy that runs: its ports, with TLS and without, and the certificate of the authority that signs its own."""

    port: int
    plain_port: int
    authority: Path

    @property
    def trusting(self) -> ssl.SSLContext:
        """What a client needs to trust it."""
        return ssl.create_default_context(cafile=str(self.authority))


@contextmanager
def running(
    data: Path, gateway: str, portal: str, configuration: Path = CONFIGURATION, domains: str = "localhost"
) -> Iterator[Proxy]:
    """Run the proxy of these domains before a gateway and a portal."""
    chosen = ports.choose({"tls": "127.0.0.1:0", "plain": "127.0.0.1:0"})
    found = Proxy(
        port=ports.split(chosen["tls"])[1],
        plain_port=ports.split(chosen["plain"])[1],
        authority=data / "caddy" / "pki" / "authorities" / "local" / "root.crt",
    )
    environ = conftest.environment() | {
        "HOME": str(data),
        "XDG_DATA_HOME": str(data),
        "XDG_CONFIG_HOME": str(data),
        "MUSTER_PROXY_HTTPS_PORT": str(found.port),
        "MUSTER_PROXY_HTTP_PORT": str(found.plain_port),
        "MUSTER_DOMAINS": domains,
        "MUSTER_GATEWAYS": gateway,
        "MUSTER_PORTALS": portal,
    }
    argv = (str(CADDY), "run", "--config", str(configuration), "--adapter", "caddyfile")
    child = Child(Program(name="proxy", argv=argv, environment=environ), children.quiet)
    try:
        assert children.until(lambda: child.has_exited() or _speaks(found), PATIENCE)
        assert not child.has_exited(), child.ending()
        yield found
    finally:
        children.stop([child], 60, children.quiet)


def plain(proxy: Proxy) -> socket.socket:
    """Open a connection to the port for TLS, on which nothing has been said."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)


@contextmanager
def tls(proxy: Proxy) -> Iterator[ssl.SSLSocket]:
    """A connection that speaks TLS."""
    with plain(proxy) as connection, proxy.trusting.wrap_socket(connection, server_hostname="localhost") as secured:
        yield secured


def _speaks(proxy: Proxy) -> bool:
    if not proxy.authority.exists() or not proxy.authority.stat().st_size:
        return False
    try:
        with tls(proxy):
            return True
    except OSError:
        return False
