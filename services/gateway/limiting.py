"""Make the limits of requests that the settings ask for, and share their counts."""

from dataclasses import dataclass

from limits import RateLimitItemPerSecond

from services.gateway.sharing import Sharing
from services.gateway.windows import Windows
from shared.settings import Settings

MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits that are counted at all gateways; None where there is none."""

    rates: Windows | None
    wrong_tokens: Windows | None


def limits(settings: Settings, sharing: Sharing) -> Limits:
    """Return the limits, whose counts are shared from now on."""
    burst = settings.burst_seconds
    rates = _windows("rate", settings.requests_per_second * burst, burst, sharing)
    wrong_tokens = _windows("wrong", settings.wrong_tokens_per_minute, MINUTE, sharing)
    sharing.share([each for each in (rates, wrong_tokens) if each is not None])
    return Limits(rates=rates, wrong_tokens=wrong_tokens)


def _windows(name: str, amount: int, seconds: int, sharing: Sharing) -> Windows | None:
    if not amount:
        return None
    return Windows(RateLimitItemPerSecond(amount, seconds, namespace=name), sharing.processes)
