"""One run against one target: the client, what is remembered of the directory, and the threads that do the work."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from services.simulator.client import Client, Encode, Target
from services.simulator.mapping import Profile
from services.simulator.people import Group, Person
from services.simulator.progress import Display
from services.simulator.report import Recorder

T = TypeVar("T")


@dataclass(kw_only=True)
class Memory:
    """What the provisioning service remembers between cycles: ids by external id, and what it last got through.

    A change that failed is not remembered, so the next cycle tries it again.
    """

    user_ids: dict[str, str] = field(default_factory=dict)
    group_ids: dict[str, str] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    managers: dict[str, str | None] = field(default_factory=dict)  # External id of a person -> id of the manager.
    members: dict[str, set[str]] = field(default_factory=dict)  # External id of a group -> ids of its members.
    foreign_members: dict[str, frozenset[str]] = field(default_factory=dict)  # Those that were there before us.
    gone_users: dict[str, str] = field(default_factory=dict)
    gone_groups: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Session:
    """Everything that the steps of a run share; `is_known` tells that the directory has seen this company before."""

    target: Target
    client: Client
    display: Display
    pool: ThreadPoolExecutor
    memory: Memory
    profile: Profile
    is_known: bool = False

    def each(self, phase: str, items: Iterable[T], work: Callable[[T], None]) -> None:
        """Do the work for all items, as many at once as the run allows, and show it as a phase."""
        chosen = list(items)
        self.display.phase(phase, len(chosen))

        def step(item: T) -> None:
            work(item)
            self.display.step()

        for _ in self.pool.map(step, chosen):
            pass

    def lanes(self, work: Callable[[Iterable[T]], None], lanes: Iterable[Iterable[T]]) -> None:
        """Do the work for each lane, in order within it; `work` counts the steps."""
        for _ in self.pool.map(work, lanes):
            pass


@contextmanager
def opened(
    target: Target,
    display: Display,
    recorder: Recorder,
    *,
    profile: Profile,
    headers: Mapping[str, str],
    encode: Encode,
    concurrency: int,
) -> Iterator[Session]:
    """Open a session with an empty memory, and close its connections at the end."""
    client = Client(target, recorder, headers, encode=encode)
    try:
        with ThreadPoolExecutor(concurrency, thread_name_prefix="simulator") as pool:
            yield Session(target=target, client=client, display=display, pool=pool, memory=Memory(), profile=profile)
    finally:
        client.close()
