"""The addresses that a stack chooses: ports that are free, and sockets whose names fit."""

import socket
import tempfile
from pathlib import Path

import pytest

from services.stack import ports, sockets
from services.stack.errors import StackError


def test_port_0_becomes_a_free_port() -> None:
    chosen = ports.choose({"--gateway-port": "127.0.0.1:0", "--flower-port": "127.0.0.1:0"})

    gateway, flower = (ports.split(bind) for bind in chosen.values())
    assert gateway[0] == flower[0] == "127.0.0.1"
    assert 0 < gateway[1] != flower[1] > 0


def test_a_taken_port_is_named_with_the_option_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(StackError, match=f"{bind} is taken by another program: .*--gateway-port"):
            ports.choose({"--gateway-port": bind})


def test_one_port_for_two_programs_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(StackError, match=r"is taken by another program: .*--flower-port"):
        ports.choose({"--gateway-port": bind, "--flower-port": bind})


@pytest.mark.parametrize("bind", ["8080", ":8080", "127.0.0.1:", "127.0.0.1:http", ""])
def test_a_malformed_address_is_refused(bind: str) -> None:
    with pytest.raises(StackError, match="write host:port"):
        ports.split(bind)


def test_a_short_plain_folder_is_reached_by_its_own_name() -> None:
    assert sockets.reachable(Path("/srv/muster/postgres"), "socket") == Path("/srv/muster/postgres")


@pytest.mark.parametrize("name", ["long" * 50, "with blanks", "ünïcode", "percent%20", "question?"])
def test_any_other_folder_is_reached_by_a_private_link(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="m") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)

        link = sockets.reachable(tmp_path / name, "socket")

        assert len(str(link / "socket")) <= sockets.LIMIT
        assert link.readlink() == tmp_path / name
        assert link.parent.stat().st_mode & 0o077 == 0
        assert sockets.reachable(tmp_path / name, "socket") == link


def test_a_link_folder_that_others_can_enter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="m") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        link = sockets.reachable(tmp_path / "with blanks", "socket")
        link.parent.chmod(0o755)

        with pytest.raises(StackError, match="is not a private folder of ours"):
            sockets.reachable(tmp_path / "with blanks", "socket")
