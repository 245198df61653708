"""What benches find: figures with their rounds, goals held against them, and the curves of the pictures."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

AT_LEAST, AT_MOST = ">=", "<="


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured figure: the median of the rounds, the lowest and the highest."""

    name: str
    unit: str
    rounds: tuple[float, ...]
    who: str = ""
    failure: str = ""
    """Why there is nothing, or not from all rounds."""

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def spread(self) -> str:
        return f"{shown(min(self.rounds))} .. {shown(max(self.rounds))}"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What was aimed at: a figure or a ratio of two, from each round, and its bound."""

    name: str
    rounds: tuple[float, ...]
    sign: str
    bound: float

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        """Whether it is reached, and else by how much it is missed."""
        if self.median >= self.bound if self.sign == AT_LEAST else self.median <= self.bound:
            return "reached"
        missing = 1 - self.median / self.bound if self.sign == AT_LEAST else self.median / self.bound - 1
        return f"short by {missing:.0%}" if self.sign == AT_LEAST else f"over by {missing:.0%}"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line of a picture."""

    picture: str
    who: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """All that one row of the bench found."""

    title: str
    figures: tuple[Figure, ...]
    goals: tuple[Goal, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Book:
    """Where the rounds of a row are written down, in the order in which figures first occur."""

    number: int = 0
    """Which round it is: a ratio is made of figures of the same one."""
    _rounds: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    _units: dict[tuple[str, str], str] = field(default_factory=dict)
    _failures: dict[tuple[str, str], str] = field(default_factory=dict)
    own_share: float = 0.0
    """The most that sending the load took of one core."""

    def note(self, name: str, who: str, unit: str, value: float) -> None:
        """Write down the value of this round, which there is only one of."""
        self._units[name, who] = unit
        values = self._rounds.setdefault((name, who), {})
        assert self.number not in values, f"{name} of {who} has a value in this round"
        values[self.number] = value

    def fail(self, name: str, who: str, reason: str) -> None:
        """Write down why there is no value; the first reason is kept."""
        self._units.setdefault((name, who), "")
        self._failures.setdefault((name, who), " ".join(reason.split())[:160])

    def rounds(self, name: str, who: str) -> tuple[float, ...]:
        """Return the values of all rounds; none if there are none."""
        return tuple(self._rounds.get((name, who), {}).values())

    def median(self, name: str, who: str) -> float | None:
        """Return the median of the rounds, or None if there are none."""
        found = self.rounds(name, who)
        return statistics.median(found) if found else None

    def figures(self) -> tuple[Figure, ...]:
        """Return all figures, also those that only failed."""
        return tuple(
            Figure(
                name=name,
                who=who,
                unit=unit,
                rounds=self.rounds(name, who),
                failure=self._failures.get((name, who), ""),
            )
            for (name, who), unit in self._units.items()
        )

    def ratio(self, name: str, of: tuple[str, str], to: tuple[str, str], sign: str, bound: float) -> list[Goal]:
        """Hold a ratio of two figures against a bound; nothing if no round has both."""
        ours, theirs = self._rounds.get(of, {}), self._rounds.get(to, {})
        ratios = tuple(value / theirs[number] for number, value in ours.items() if number in theirs)
        return [Goal(name=name, rounds=ratios, sign=sign, bound=bound)] if ratios else []

    def bound(self, name: str, of: tuple[str, str], sign: str, bound: float) -> list[Goal]:
        """Hold a figure against a bound; nothing if it is missing."""
        found = self.rounds(*of)
        return [Goal(name=name, rounds=found, sign=sign, bound=bound)] if found else []

    def notes(self) -> list[str]:
        """Return what is to be said of every row: what the load itself cost."""
        return [f"Sending the load took {self.own_share:.0%} of one core at most."]


def shown(value: float) -> str:
    """Return a figure with as many digits as it bears."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def as_json(found: Found) -> dict[str, Any]:
    """Return what a row found as JSON values."""
    return asdict(found)


def from_json(document: dict[str, Any]) -> Found:
    """Return what a row found from JSON values."""
    return Found(
        title=document["title"],
        figures=tuple(Figure(**_tupled(each, "rounds")) for each in document["figures"]),
        goals=tuple(Goal(**_tupled(each, "rounds")) for each in document["goals"]),
        curves=tuple(
            Curve(picture=each["picture"], who=each["who"], points=tuple((x, y) for x, y in each["points"]))
            for each in document["curves"]
        ),
        notes=tuple(document["notes"]),
    )


def curves(picture: str, points: Iterable[tuple[str, float, float]]) -> tuple[Curve, ...]:
    """Return the lines of a picture from points with the name of whose they are."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for who, x, y in points:
        lines.setdefault(who, []).append((x, y))
    return tuple(Curve(picture=picture, who=who, points=tuple(found)) for who, found in lines.items())


def _tupled(document: dict[str, Any], name: str) -> dict[str, Any]:
    values: Sequence[float] = document[name]
    return {**document, name: tuple(values)}
