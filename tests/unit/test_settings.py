"""Settings come from the environment, then from the local stack, then from their defaults."""

import json
from pathlib import Path

import pytest

from shared import settings
from shared.settings import Settings, SettingsError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / settings.STACK_FILE).write_text(json.dumps({"settings": {"database_url": "postgresql://stack"}}))
    return tmp_path


def test_the_environment_wins_over_the_local_stack(data: Path) -> None:
    assert settings.load({}, data).database_url == "postgresql://stack"
    assert settings.load({"MUSTER_DATABASE_URL": "postgresql://mine"}, data).database_url == "postgresql://mine"


def test_values_have_the_types_of_their_fields(tmp_path: Path) -> None:
    loaded = settings.load({"MUSTER_SHARDS": "3", "MUSTER_DEADLINE_SECONDS": "1.5"}, tmp_path)

    assert (loaded.shards, loaded.deadline_seconds) == (3, 1.5)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("off", False)])
def test_truths_are_understood_in_their_usual_forms(tmp_path: Path, text: str, value: bool) -> None:
    assert settings.load({"MUSTER_SECURITY_EVENTS": text}, tmp_path).security_events is value


def test_what_is_neither_true_nor_false_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MUSTER_SECURITY_EVENTS must be bool"):
        settings.load({"MUSTER_SECURITY_EVENTS": "perhaps"}, tmp_path)


def test_everything_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"MUSTER_SHARDS.*MUSTER_MAX_PAGE"):
        settings.load({"MUSTER_SHARDS": "many", "MUSTER_MAX_PAGE": "all"}, tmp_path)


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"MUSTER_DATABASE_URL and MUSTER_BROKER_URL .* muster up"):
        settings.load_complete({}, tmp_path)


def test_a_damaged_file_of_the_stack_is_named(tmp_path: Path) -> None:
    (tmp_path / settings.STACK_FILE).write_text("{")

    with pytest.raises(SettingsError, match=r"stack\.json cannot be read"):
        settings.load({}, tmp_path)


def test_a_child_process_gets_the_same_settings(tmp_path: Path) -> None:
    given = Settings(
        database_url="postgresql://a", broker_url="redis://b", shards=3, deadline_seconds=0.5, security_events=True
    )

    assert settings.load(settings.environment(given), tmp_path) == given


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHARDS", "0"),
        ("SHARDS", "-3"),
        ("DEADLINE_SECONDS", "100"),
        ("DATABASE_URL", "mysql://x"),
        ("BROKER_URL", "amqp://x"),
        ("PUBLIC_URL", "hr.example.com"),
        ("GATEWAY_BIND", "nonsense"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_value_without_sense_is_refused_and_not_repeated(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"MUSTER_{name} must be") as refused:
        settings.load({f"MUSTER_{name}": value}, tmp_path)

    assert f"not {value!r}" not in str(refused.value)


@pytest.mark.parametrize("name", settings.SECRETS)
def test_every_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    addresses = {"database_url": "postgresql://a:b@c/d", "broker_url": "redis://:x@y:1/0"}
    value = next((address for end, address in addresses.items() if name.endswith(end)), "p@ss/word")
    (tmp_path / "secret").write_text(value + "\n")

    loaded = settings.load({f"MUSTER_{name.upper()}_FILE": str(tmp_path / "secret")}, tmp_path)

    assert getattr(loaded, name) == value
    assert value not in repr(loaded)


def test_all_that_is_wrong_with_files_of_secrets_is_named_without_a_value(tmp_path: Path) -> None:
    environ = {
        "MUSTER_METRICS_TOKEN": "quixotic",
        "MUSTER_METRICS_TOKEN_FILE": __file__,
        "MUSTER_DATABASE_URL_FILE": str(tmp_path / "none"),
    }

    with pytest.raises(SettingsError) as error:
        settings.load(environ, tmp_path)

    assert "MUSTER_DATABASE_URL_FILE names a file that cannot be read (FileNotFoundError)" in str(error.value)
    assert "MUSTER_METRICS_TOKEN and MUSTER_METRICS_TOKEN_FILE are both set" in str(error.value)
    assert "quixotic" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://redis:6379/0", "redis://:a%2Fb%40c%25@redis:6379/0"),
        ("rediss://redis:6379/0", "rediss://:a%2Fb%40c%25@redis:6379/0"),
        ("redis://:own@redis:6379/0", "redis://:own@redis:6379/0"),
        ("redis+socket:///run/valkey.sock", "redis+socket:///run/valkey.sock"),
        ("", ""),
    ],
)
def test_the_password_of_the_broker_goes_into_an_address_that_has_none(tmp_path: Path, url: str, expected: str) -> None:
    environ = {"MUSTER_BROKER_URL": url, "MUSTER_BROKER_PASSWORD": "a/b@c%"}

    assert settings.load(environ, tmp_path).broker_url == expected
