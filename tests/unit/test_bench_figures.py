"""What the bench makes of its rounds: medians, goals held against them, and what is written down."""

from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from bench import figures, results
from bench.figures import AT_LEAST, AT_MOST, Book, Found, Goal
from bench.run import ROWS, wanted


def test_a_ratio_is_made_of_the_figures_of_the_same_round() -> None:
    book = Book()
    for book.number, (ours, theirs) in enumerate(((10.0, 5.0), (None, 9.0), (30.0, 10.0), (7.0, None), (40.0, 10.0))):
        if ours is not None:
            book.note("creates", "Muster", "1/s", ours)
        if theirs is not None:
            book.note("creates", "peer", "1/s", theirs)

    [goal] = book.ratio("creates", ("creates", "Muster"), ("creates", "peer"), AT_LEAST, 2.5)

    assert goal.rounds == (2.0, 3.0, 4.0)
    assert goal.verdict == "reached"


def test_who_was_not_measured_is_held_against_nothing() -> None:
    book = Book()
    book.note("creates", "Muster", "1/s", 10.0)

    assert book.ratio("creates", ("creates", "Muster"), ("creates", "peer"), AT_LEAST, 1.0) == []
    assert book.bound("deletes", ("deletes", "Muster"), AT_MOST, 1.0) == []


@pytest.mark.parametrize(
    ("rounds", "sign", "bound", "verdict"),
    [
        ((8.0,), AT_LEAST, 10.0, "short by 20%"),
        ((10.0,), AT_LEAST, 10.0, "reached"),
        ((15.0,), AT_MOST, 10.0, "over by 50%"),
        ((1.0, 9.0, 20.0), AT_MOST, 10.0, "reached"),
    ],
)
def test_a_verdict_tells_by_how_much_a_goal_is_missed(
    rounds: tuple[float, ...], sign: str, bound: float, verdict: str
) -> None:
    assert Goal(name="it", rounds=rounds, sign=sign, bound=bound).verdict == verdict


def test_who_failed_has_a_row_that_says_so() -> None:
    book = Book()
    book.fail("add one member at 20,000", "peer", "the connection\nwas closed")
    book.fail("add one member at 20,000", "peer", "later reasons are not kept")

    [figure] = book.figures()

    assert (figure.who, figure.rounds, figure.failure) == ("peer", (), "the connection was closed")


def test_rows_are_kept_beside_those_of_other_runs(tmp_path: Path) -> None:
    order = ["creates", "members"]
    about = dict.fromkeys(("date", "machine", "python", "versions", "peers", "commit", "busy"), "then")
    for name, picture in (("creates", "throughput"), ("members", "members")):
        found = figures.as_json(_found(name, picture))
        results.write(results.read(tmp_path) | {name: {"about": about, "found": found}}, tmp_path, order)

    text = (tmp_path / "results.md").read_text()
    assert text.index("## title of creates") < text.index("## title of members")
    assert "| figure of creates | Muster | ms | 2.00 | 1.00 .. 3.00 |" in text
    assert "![throughput](pictures/throughput.svg)" in text
    assert figures.from_json(results.read(tmp_path)["members"]["found"]) == _found("members", "members")


def test_pictures_are_whole_and_show_every_line(tmp_path: Path) -> None:
    about = dict.fromkeys(("date", "machine", "python", "versions", "peers", "commit", "busy"), "then")

    results.write(
        {"members": {"about": about, "found": figures.as_json(_found("members", "members"))}}, tmp_path, ["members"]
    )

    root = ElementTree.parse(tmp_path / "pictures" / "members.svg").getroot()  # noqa: S314 - our own.
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}polyline")) == 2
    assert {"Muster", "peer"} <= {each.text for each in root.findall(f"{space}text")}


def test_all_rows_but_the_soak_are_measured_when_none_is_named() -> None:
    assert wanted("", 0) == [name for name in ROWS if name != "soak"]
    assert wanted("", 60) == list(ROWS)
    assert wanted("reads  creates", 0) == ["reads", "creates"]


@pytest.mark.parametrize(("rows", "reason"), [("raeds", "no row raeds"), ("soak", "how long")])
def test_a_row_that_cannot_be_measured_is_refused(rows: str, reason: str) -> None:
    with pytest.raises(click.BadParameter, match=reason):
        wanted(rows, 0)


def _found(name: str, picture: str) -> Found:
    book = Book()
    for book.number, value in enumerate((1.0, 2.0, 3.0)):
        book.note(f"figure of {name}", "Muster", "ms", value)
    points = [("Muster", 10.0, 1.0), ("Muster", 1_000_000.0, 1.5), ("peer", 10.0, 30.0)]
    return Found(
        title=f"title of {name}",
        figures=book.figures(),
        goals=tuple(book.bound("it", (f"figure of {name}", "Muster"), AT_MOST, 5.0)),
        curves=figures.curves(picture, points),
        notes=("a note",),
    )
