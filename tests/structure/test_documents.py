"""What the documents say is so: commands, targets, links, settings, decisions and words."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import click
import pytest

from services.cli import main
from shared.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
SOURCES = [path for folder in ("services", "shared") for path in sorted((ROOT / folder).rglob("*.py"))]
COMPOSE = ROOT / "docker-compose.yml"
SETTINGS_SECTION = "# ---- Settings of Muster"

_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
# `muster` as a word of its own or at the end of a path, and what follows up to the end of the command.
_MUSTER = re.compile(r"(?:^|[\s(])(?:\S*/)?muster((?:[ \t]+[^\s|;&<>()#]+)+)")
_MAKE = re.compile(r"(?:^|\s)make((?:[ \t]+[\w=.-]+)+)")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_VARIABLE = re.compile(r"^#?([A-Z_]+)=", re.MULTILINE)
_TERM = re.compile(r"^\| \*\*(.+?)\*\*", re.MULTILINE)

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@dataclass(frozen=True)
class Code:
    """A piece of code in a document; a whole command line when it stands in a shell block."""

    text: str
    is_shell: bool


@every_document
def test_commands_exist_with_all_their_options(document: Path) -> None:
    for code in _code(document):
        for words in _MUSTER.findall(code.text):
            command, rest = _find_command(shlex.split(words))

            options = {word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"}
            assert options <= _options(command), f"muster{words}"


@every_document
def test_command_lines_in_shell_blocks_parse(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_TOKEN", "mst_from_the_line")

    for code in _code(document):
        for words in _MUSTER.findall(code.text) if code.is_shell else ():
            command, rest = _find_command(shlex.split(words))
            assert command.make_context(command.name, rest).command is command


@every_document
def test_make_targets_and_their_variables_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    for code in _code(document):
        for words in _MAKE.findall(code.text):
            variables = {word.partition("=")[0] for word in words.split() if "=" in word}
            assert {word for word in words.split() if "=" not in word} <= targets, words
            assert all(re.search(rf"\$\((?:if \$\()?{name}\)", makefile) for name in variables), words


@every_document
def test_links_inside_the_repository_lead_somewhere(document: Path) -> None:
    for path, anchor in _LINK.findall(_without_code(document)):
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), path
        assert target.is_relative_to(ROOT), path
        assert not anchor or anchor in _anchors(target), f"{path}#{anchor}"


@every_document
def test_lines_are_short_enough_to_read(document: Path) -> None:
    tables_aside = [line for line in document.read_text().splitlines() if not line.startswith("|")]

    assert [line for line in tables_aside if len(line) > 120] == []


def test_the_example_environment_lists_every_setting_with_its_doc_and_default() -> None:
    _, _, section = (ROOT / ".env.example").read_text().partition(SETTINGS_SECTION)

    listed = section.partition("\n\n")[2]

    assert listed == "\n".join(_example(f.name, f.default, f.metadata["doc"]) for f in fields(Settings))


def test_the_example_environment_has_every_variable_of_the_compose_file() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", COMPOSE.read_text()))

    assert used <= set(_VARIABLE.findall((ROOT / ".env.example").read_text()))


def test_the_example_environment_names_each_variable_once_and_no_other() -> None:
    names = _VARIABLE.findall((ROOT / ".env.example").read_text())
    settings = {PREFIX + f.name.upper() for f in fields(Settings)}

    assert len(names) == len(set(names))
    assert [name for name in names if name not in settings and name not in COMPOSE.read_text()] == []


def test_every_setting_is_in_the_operators_table_with_its_default() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()

    for setting in fields(Settings):
        default = f"`{setting.default}`" if setting.default != "" else "none"
        assert f"| `{PREFIX}{setting.name.upper()}` | {default} |" in operations


def test_the_events_that_an_operator_looks_for_are_logged() -> None:
    _, _, section = (ROOT / "docs" / "operations.md").read_text().partition("| Event | Level | Says |\n")
    rows = section.partition("\n\n")[0].splitlines()[1:]
    events = [event for row in rows for event in _INLINE.findall(row.split("|")[1])]
    code = "\n".join(path.read_text() for path in SOURCES)

    assert events != []
    assert [event for event in events if f'"{event}"' not in code] == []


def test_decisions_are_numbered_without_gaps() -> None:
    assert [path.name[:5] for path in DECISIONS] == [f"{number:04}-" for number in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_parts(decision: Path) -> None:
    text = decision.read_text()

    assert text.startswith(f"# {int(decision.name[:4])}. ")
    assert _HEADING.findall(text)[1:] == ["Context", "Decision", "Consequences", "When to look again"]


def test_every_decision_is_linked_from_the_architecture() -> None:
    architecture = (ROOT / "docs" / "architecture.md").read_text()

    assert [path.name for path in DECISIONS if f"(decisions/{path.name})" not in architecture] == []


def test_the_words_of_the_glossary_are_used() -> None:
    terms = _TERM.findall((ROOT / "docs" / "glossary.md").read_text())
    code = "\n".join(path.read_text() for path in SOURCES)

    unused = [term for term in terms if not re.search(_as_written(term), code, re.IGNORECASE)]

    assert len(terms) > 20
    assert unused == []


@every_document
def test_modules_that_are_named_exist(document: Path) -> None:
    """A path in backticks that starts at a top folder is a file or a folder, now."""
    for path in re.findall(r"`((?:services|shared|tests|docs|bench|requirements)/[\w./-]*)`", document.read_text()):
        assert (ROOT / path).exists(), path


def _code(document: Path) -> Iterator[Code]:
    text = document.read_text()
    for language, block in _FENCED.findall(text):
        yield from (Code(line, language == "sh") for line in block.replace("\\\n", " ").splitlines())
    yield from (Code(span, is_shell=False) for span in _INLINE.findall(_FENCED.sub("", text)))


def _without_code(document: Path) -> str:
    return _INLINE.sub("", _FENCED.sub("", document.read_text()))


def _find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Walk down the tree of commands as far as the words name groups."""
    command: click.Command = main
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]!r} in {command.name}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def _options(command: click.Command) -> set[str]:
    return {"-h", "--help"} | {name for parameter in command.params for name in parameter.opts}


def _anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as code hosts make them."""
    headings = _HEADING.findall(_FENCED.sub("", document.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _example(name: str, default: object, doc: str) -> str:
    """Return the lines of a setting: open where a value must be given, commented out where there is a default."""
    mark = "" if default == "" else "#"
    return f"# {doc}\n{mark}{PREFIX}{name.upper()}={default}\n"


def _as_written(term: str) -> str:
    """Return a pattern for a term as code writes it: value path, value_path, ValuePath."""
    return r"(?<![a-z])" + "[ _-]?".join(re.split(r"[ -]", term))
