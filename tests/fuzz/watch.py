"""Watch the processes of a stack from outside, while something is done to it: their memory, and what they write."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from services.stack import state
from tests.fuzz import verdict
from tests.fuzz.verdict import Finding

PROGRAMS = ("gateway", "worker", "portal")
SECONDS = 1.0
WARM, MIDDLE, LAST = slice(15, 35), slice(50, 60), slice(90, 100)
"""Which samples are those after the start, those when each cache is full, and the last, in hundredths of all."""

LONG = 600
"""Samples of a run that is long enough for a program to have to stay as it is in its second half."""


@dataclass(frozen=True)
class Memory:
    """The bytes that each program has taken up, sample by sample; all its processes together."""

    samples: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def tenths(self) -> Mapping[str, list[int]]:
        """Return what each program took up in each tenth of the time."""
        return {
            name: [_median(taken, slice(part, part + 10)) for part in range(0, 100, 10)]
            for name, taken in self.samples.items()
        }

    def findings(self) -> list[Finding]:
        """Return which programs have grown, and which have still grown in the second half of a long run."""
        found = []
        for name, taken in self.samples.items():
            found.append(verdict.of_memory(name, _median(taken, WARM), _median(taken, LAST)))
            if len(taken) >= LONG:
                found.append(verdict.of_second_half(name, _median(taken, MIDDLE), _median(taken, LAST)))
        return [each for each in found if each is not None]


class Log:
    """Looks at each line of our processes as it is written, and keeps none that is in order."""

    def __init__(self) -> None:
        self.secrets: tuple[str, ...] = ()
        self.findings: list[Finding] = []
        self.lines = 0

    def __call__(self, name: str, line: str) -> None:
        """Look at a line."""
        self.lines += 1
        found = verdict.of_line(line, self.secrets) if name in PROGRAMS else None
        if found is not None and len(self.findings) < 50:
            self.findings.append(found)


@contextmanager
def memory(data: Path) -> Iterator[Memory]:
    """Sample the memory of a stack's programs for the duration of the block."""
    found = state.read(data)
    assert found is not None
    programs = {name: psutil.Process(found.children[name].pid) for name in PROGRAMS}
    seen, is_over = Memory(), threading.Event()
    sampling = threading.Thread(target=_sample, args=(programs, seen, is_over))
    sampling.start()
    try:
        yield seen
    finally:
        is_over.set()
        sampling.join()


def _sample(programs: Mapping[str, psutil.Process], seen: Memory, is_over: threading.Event) -> None:
    while not is_over.wait(SECONDS):
        for name, process in programs.items():
            seen.samples[name].append(sum(map(_taken, [process, *process.children(recursive=True)])))


def _taken(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _median(taken: Sequence[int], part: slice) -> int:
    chosen = taken[len(taken) * part.start // 100 : max(1, len(taken) * part.stop // 100)]
    return int(median(chosen or taken))
