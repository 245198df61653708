"""What a resource must be after the operations of its lane: the model that a run is compared with."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tests.faults.records import Attempt, Do


@dataclass(frozen=True, kw_only=True)
class Model:
    """A resource as it must be: its version counts the operations that changed it."""

    version: int = 0
    is_there: bool = False
    title: str | None = None
    members: frozenset[str] = frozenset()

    def after(self, do: Do, title: str | None, members: frozenset[str]) -> "Model":
        """Return the resource after one more operation; one that changes nothing keeps the version."""
        match do:
            case Do.CREATE:
                changed = replace(self, is_there=True)
            case Do.DELETE:
                changed = replace(self, is_there=False, members=frozenset())
            case Do.SET:
                changed = replace(self, title=title)
            case Do.ADD:
                changed = replace(self, members=self.members | members)
            case Do.REMOVE:
                changed = replace(self, members=self.members - members)
            case Do.READ:
                changed = self
        return self if changed == self else replace(changed, version=self.version + 1)


def replay(attempts: Iterable[Attempt], ids: dict[str, str]) -> list[Model]:
    """Return the resource after each of the attempts that its lane applied, in the order of the lane."""
    states, model = [], Model()
    for attempt in attempts:
        title = attempt.values[0] if attempt.do is Do.SET else None
        members = frozenset(ids[slot] for slot in attempt.values) if attempt.do in {Do.ADD, Do.REMOVE} else frozenset()
        model = model.after(attempt.do, title, members)
        states.append(model)
    return states
