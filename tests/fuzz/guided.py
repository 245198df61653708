"""Let atheris look for texts that a parser trips over: it sees which code a text reaches, and goes on from there.

It is not required: there is no package of it for every Python. It ends its process, so it has one of its own.
"""

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.fuzz import parsers
from tests.fuzz.verdict import Finding

LONGEST = 2_000
"""Bytes of a text, at most: with more of them fewer are tried."""

SEEDS = 40


def is_there() -> bool:
    """Whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def explore(name: str, count: int, seed: int) -> list[Finding]:
    """Give a parser so many texts."""
    with tempfile.TemporaryDirectory(prefix="muster-guided-") as folder:
        _sow(name, Path(folder), seed)
        command = (sys.executable, "-m", "tests.fuzz.guided_process", name, str(count), str(seed or 1), folder)
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return []
    return [Finding(what=f"parser {name}: {ended.stdout[-1_500:]}{ended.stderr[-1_500:]}")]


def _sow(name: str, folder: Path, seed: int) -> None:
    """Write down what the parser may like, to begin with."""
    draw = Random(seed)
    for number in range(SEEDS):
        text = parsers.ALL[name].make(draw).encode(errors="surrogatepass")
        (folder / str(number)).write_bytes(text[:LONGEST])
