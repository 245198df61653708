"""Read the settings of a process from its environment, once, into one frozen record.

Entry points call `load` and hand the record down; nothing else reads the environment. A local stack leaves the
addresses of its servers in `stack.json` in its data folder, so that every command finds them; the environment wins.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import quote

PREFIX = "MUSTER_"
STACK_FILE = "stack.json"
DEFAULT_DATA = ".muster"
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
FILE = "_FILE"
"""What the name of a secret's variable ends in where it names a file that has the secret."""


class SettingsError(ValueError):
    """Settings are missing or malformed; the text names all of them."""


def _setting(default: Any, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


def _secret(doc: str) -> Any:
    """Declare a setting that is a secret or holds one: it may come from a file, and no message quotes it."""
    return field(default="", repr=False, metadata={"doc": doc, "secret": True})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, by the name of its environment variable without the prefix `MUSTER_`."""

    database_url: str = _secret("PostgreSQL, as postgresql://user:password@host:5432/name. Required.")
    owner_database_url: str = _secret(
        "PostgreSQL as the owner of the tables, for migrations alone. Without it MUSTER_DATABASE_URL is that, too."
    )
    broker_url: str = _secret("Redis or Valkey, as redis://host:6379/0 or redis+socket:///path. Required.")
    broker_password: str = _secret("Password of the broker, where its URL has none; any characters will do.")
    public_url: str = _setting("http://127.0.0.1:8080", "Base of every meta.location for tenants without a domain.")
    gateway_bind: str = _setting("127.0.0.1:8080", "Where the gateway listens, as host:port.")
    gateway_processes: int = _setting(1, "Gateway processes; each takes about one core under full load.")
    portal_url: str = _setting("http://127.0.0.1:8081", "Where browsers reach the staff portal; https in production.")
    portal_bind: str = _setting("127.0.0.1:8081", "Where the staff portal listens, as host:port.")
    worker_processes: int = _setting(2, "Worker processes; each takes about one core under full load.")
    flower_bind: str = _setting("127.0.0.1:5555", "Where Flower listens, as host:port.")
    flower_basic_auth: str = _secret("user:password for Flower; required once it listens beyond loopback.")
    shards: int = _setting(8, "Hash buckets of lanes, the unit of waking; a lane keeps the shard it was born with.")
    deadline_seconds: float = _setting(25.0, "A request is answered by then: its outcome, or 503 (never applied).")
    admission_seconds: float = _setting(12.0, "A tenant whose writes would wait longer than this is told 429.")
    sweep_seconds: float = _setting(5.0, "Period of the sweeper, which wakes what a lost wake left behind.")
    max_starts: int = _setting(5, "An operation that was started this often without an outcome is dead.")
    max_body_bytes: int = _setting(1_048_576, "Larger request bodies are refused with 413.")
    max_header_bytes: int = _setting(32_768, "Larger request headers are refused with 431; 0: no limit but memory's.")
    header_seconds: float = _setting(10.0, "A connection on which no request's headers are whole by then is closed.")
    max_connections: int = _setting(4000, "Connections of a gateway process; beyond that the idlest are closed.")
    requests_per_second: int = _setting(100, "Requests of one token in a second, at all gateways; 0: no limit.")
    burst_seconds: int = _setting(5, "So many seconds' requests of a token may come at once.")
    tenant_concurrency: int = _setting(100, "Requests of a tenant under way in one gateway process; 0: no limit.")
    wrong_tokens_per_minute: int = _setting(60, "Wrong tokens from one address until it is told 429; 0: no limit.")
    max_bulk_operations: int = _setting(1000, "Operations in one bulk request, at most.")
    max_page: int = _setting(1000, "Resources in one page of a list, at most.")
    cursor_seconds: int = _setting(3600, "A cursor is good for so long after the page that carried it.")
    default_page: int = _setting(100, "Resources in one page when the client names no count.")
    journal_days: int = _setting(90, "Settled operations are kept this long, by whole weeks.")
    history_days: int = _setting(730, "History is kept this long, by whole weeks.")
    refused_days: int = _setting(30, "Refused requests, and counts by the minute, are kept this long, by whole weeks.")
    token_cache_seconds: float = _setting(1.0, "A looked-up token is trusted this long; a revocation takes as long.")
    access_token_seconds: int = _setting(3600, "An access token of /oauth/token is good for so long.")
    key_days: int = _setting(30, "Signing keys are replaced after so many days, by the worker.")
    trusted_proxies: int = _setting(0, "How many proxies before the gateway add their client to X-Forwarded-For.")
    security_events: bool = _setting(
        default=False, doc="Whether /ServiceProviderConfig tells of asynchronous requests; some clients fail on it."
    )
    metrics_token: str = _secret("Who presents it as a bearer token may read /metrics; without it nobody may.")
    log_level: str = _setting("INFO", "DEBUG, INFO, WARNING or ERROR.")


@dataclass(frozen=True)
class _Rule:
    """What a value must be beyond its type: the test, and the test in words."""

    holds: Callable[[Any], bool]
    words: str


SECRETS = tuple(f.name for f in fields(Settings) if f.metadata.get("secret"))
_POSITIVE = _Rule(lambda value: value > 0, "greater than 0")
_ADDRESS = _Rule(lambda value: re.fullmatch(r".+:[0-9]{1,5}", value) is not None, "host:port")
_RULES: dict[str, _Rule] = {
    **{f.name: _POSITIVE for f in fields(Settings) if isinstance(f.default, int | float) and f.default is not False},
    **dict.fromkeys(
        ("max_header_bytes", "requests_per_second", "tenant_concurrency", "wrong_tokens_per_minute"),
        _Rule(lambda value: value >= 0, "0 or more"),
    ),
    "access_token_seconds": _Rule(lambda value: 60 <= value <= 86_400, "between 60 and 86400"),
    "trusted_proxies": _Rule(lambda value: 0 <= value <= 10, "between 0 and 10"),
    "token_cache_seconds": _Rule(lambda value: value >= 0, "0 or more"),
    "deadline_seconds": _Rule(lambda value: 0 < value < 55, "between 0 and 55: identity providers give up after 60"),
    **dict.fromkeys(
        ("database_url", "owner_database_url"),
        _Rule(lambda value: re.match(r"$|postgres(ql)?(\+psycopg)?://", value) is not None, "postgresql://..."),
    ),
    "broker_url": _Rule(lambda value: re.match(r"$|rediss?(\+socket)?://", value) is not None, "redis://..."),
    "public_url": _Rule(lambda value: re.match(r"https?://.", value) is not None, "https://... or http://..."),
    "portal_url": _Rule(lambda value: re.match(r"https?://.", value) is not None, "https://... or http://..."),
    "gateway_bind": _ADDRESS,
    "portal_bind": _ADDRESS,
    "flower_bind": _ADDRESS,
    "log_level": _Rule(lambda value: value in _LEVELS, "DEBUG, INFO, WARNING or ERROR"),
}


def load(environ: Mapping[str, str], data: Path | None = None) -> Settings:
    """Merge defaults, the local stack's file in `data`, and the environment, later ones winning.

    Raises SettingsError naming every value that is malformed.
    """
    texts = _stack_values(data or data_folder(environ)) | _environment_values(environ) | _file_values(environ)
    settings = _with_password(Settings(**_typed(texts)))
    wrong = [complaint for name, rule in _RULES.items() if (complaint := _complaint(settings, name, rule))]
    if wrong:
        raise SettingsError("; ".join(wrong))
    return settings


def load_complete(environ: Mapping[str, str], data: Path | None = None) -> Settings:
    """Load settings for a process that needs the database and the broker.

    Raises SettingsError naming all that is missing.
    """
    settings = load(environ, data)
    missing = [name for name in ("database_url", "broker_url") if not getattr(settings, name)]
    if missing:
        names = " and ".join(PREFIX + name.upper() for name in missing)
        raise SettingsError(
            f"{names} must be set, or a local stack must run in {data or data_folder(environ)} (start one: muster up)"
        )
    return settings


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return the local stack's data folder: MUSTER_DATA, or `.muster` in the working directory."""
    return Path(environ.get(PREFIX + "DATA") or DEFAULT_DATA)


def environment(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables, for a child process."""
    return {PREFIX + f.name.upper(): str(getattr(settings, f.name)) for f in fields(settings)}


def _stack_values(data: Path) -> dict[str, str]:
    try:
        values = json.loads((data / STACK_FILE).read_text())["settings"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{data / STACK_FILE} cannot be read: {error}") from error
    return {str(name): str(value) for name, value in values.items()}


def _environment_values(environ: Mapping[str, str]) -> dict[str, str]:
    names = {PREFIX + f.name.upper(): f.name for f in fields(Settings)}
    return {names[key]: value for key, value in environ.items() if key in names and value}


def _file_values(environ: Mapping[str, str]) -> dict[str, str]:
    """Read the secrets that are in files, as container platforms give them. Raises SettingsError naming all."""
    values, wrong = {}, []
    for name in SECRETS:
        variable = PREFIX + name.upper()
        path = environ.get(variable + FILE)
        if not path:
            continue
        if environ.get(variable):
            wrong.append(f"{variable} and {variable}{FILE} are both set: keep one of them")
        try:
            values[name] = Path(path).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            wrong.append(f"{variable}{FILE} names a file that cannot be read ({type(error).__name__})")
    if wrong:
        raise SettingsError("; ".join(wrong))
    return values


def _with_password(settings: Settings) -> Settings:
    """Put the broker's password into its URL, where everybody looks for it."""
    scheme, there, rest = settings.broker_url.partition("://")
    if not settings.broker_password or not there or "@" in rest or scheme not in {"redis", "rediss"}:
        return settings
    return replace(settings, broker_url=f"{scheme}://:{quote(settings.broker_password, safe='')}@{rest}")


def _complaint(settings: Settings, name: str, rule: _Rule) -> str | None:
    """Return what is wrong with a value, without the value: a URL may hold a password."""
    return None if rule.holds(getattr(settings, name)) else f"{PREFIX}{name.upper()} must be {rule.words}"


def _typed(texts: Mapping[str, str]) -> dict[str, Any]:
    hints = get_type_hints(Settings)
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for name, text in texts.items():
        try:
            values[name] = _truth(text) if hints[name] is bool else hints[name](text)
        except ValueError:
            # A number or a truth: no secret is one.
            wrong.append(f"{PREFIX}{name.upper()} must be {hints[name].__name__}, not {text!r}")
        except KeyError:
            wrong.append(f"{name} is not a setting")
    if wrong:
        raise SettingsError("; ".join(wrong))
    return values


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTHS:
        raise ValueError
    return _TRUTHS[text.lower()]
