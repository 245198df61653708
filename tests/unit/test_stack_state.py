"""What stack.json and the lock of a data folder say."""

import os
from pathlib import Path

import pytest

from services.stack import folder, state
from services.stack.errors import StackError
from services.stack.state import Mark, State
from shared import settings
from shared.settings import Settings


def test_other_commands_find_the_running_stack(tmp_path: Path) -> None:
    running = Settings(database_url="postgresql://a", broker_url="redis://b", gateway_bind="127.0.0.1:1")

    state.write(tmp_path, state.of(running))

    found = settings.load({}, tmp_path)
    assert (found.database_url, found.broker_url, found.gateway_bind) == ("postgresql://a", "redis://b", "127.0.0.1:1")


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = State(settings={"database_url": "x"}, supervisor=Mark.of(os.getpid()), children={"a": Mark.of(1)})

    state.write(tmp_path, written)

    assert state.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == ["stack.json"]


def test_the_state_is_for_its_owner_only(tmp_path: Path) -> None:
    state.write(tmp_path, state.of(Settings()))

    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": {}}', '{"settings": 1, "pid": 1, "started": 1}', "{"])
def test_a_file_that_is_not_ours_is_refused_and_kept(text: str, tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(text)

    with pytest.raises(StackError, match="is not a file of muster"):
        state.read(tmp_path)

    assert (tmp_path / "stack.json").read_text() == text


def test_a_process_is_known_by_its_start_too() -> None:
    mark = Mark.of(os.getpid())
    earlier = Mark(pid=mark.pid, started=mark.started - 60)

    assert mark.is_running()
    assert not earlier.is_running()


def test_a_folder_is_held_by_one_stack(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"

    with folder.locked(data):
        assert folder.is_locked(data)
        with pytest.raises(StackError, match=r"a stack runs in .* already"), folder.locked(data):
            pass

    assert not folder.is_locked(data)
    assert data.stat().st_mode & 0o777 == 0o700


def test_asking_for_a_running_stack_makes_no_folder(tmp_path: Path) -> None:
    assert not folder.is_locked(tmp_path / "data")

    assert list(tmp_path.iterdir()) == []


def test_a_file_as_data_folder_is_refused_and_kept(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("mine")

    with pytest.raises(StackError, match="is a file: choose a folder"), folder.locked(data):
        pass

    assert data.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with (
        pytest.raises(StackError, match=r"cannot be written .*: choose another folder"),
        folder.locked(tmp_path / "file" / "data"),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:  # Permissions do not bind root; a folder where the lock should be does.
        (tmp_path / folder.LOCK).mkdir()
    tmp_path.chmod(0o500)

    try:
        with pytest.raises(StackError, match=r"cannot be written .*: choose another folder"), folder.locked(tmp_path):
            pass
    finally:
        tmp_path.chmod(0o700)
