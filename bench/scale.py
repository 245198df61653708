"""How long and how large a run of the bench is: the whole one, and a short one that only shows that everything runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.contestants import DJANGO, SCIM2, SCIMMY


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Rounds, seconds and sizes."""

    is_whole: bool = True
    rounds: int = 3
    seconds: float = 5.0
    warmup_seconds: float = 1.5
    single: int = 40
    """Requests of a round that are sent one after the other."""
    connections: tuple[int, ...] = (1, 8, 32, 64)
    users: int = 100_000
    peer_users: Mapping[str, int] = field(default_factory=lambda: {SCIM2: 20_000, SCIMMY: 100_000, DJANGO: 100_000})
    """What peers can bear: to fill itself with more takes scim2-server minutes."""
    few_users: int = 1_000
    many_users: int = 1_000_000
    group_sizes: tuple[int, ...] = (10, 1_000, 20_000, 100_000, 1_000_000)
    peer_group_sizes: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {SCIM2: (10, 1_000, 20_000), SCIMMY: (10, 1_000, 20_000), DJANGO: (10, 1_000, 20_000)}
    )
    large_patch: int = 10_000
    page: int = 100
    workers: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of worker processes."""
    tenants: int = 20
    simulated: tuple[int, int, int] = (10_000, 200, 50_000)
    """People, groups and memberships."""
    soak_seconds: float = 0.0

    @property
    def large_group(self) -> int:
        """The size of the group that is read without its members: the largest up to 100,000."""
        return max(size for size in self.group_sizes if size <= 100_000)


WHOLE = Scale()
QUICK = Scale(
    is_whole=False,
    rounds=2,
    seconds=2.0,
    warmup_seconds=0.5,
    single=15,
    connections=(1, 16, 32),
    users=5_000,
    peer_users={SCIM2: 1_000, SCIMMY: 5_000, DJANGO: 5_000},
    few_users=1_000,
    many_users=50_000,
    group_sizes=(10, 1_000, 20_000),
    peer_group_sizes={SCIM2: (10, 1_000), SCIMMY: (10, 1_000), DJANGO: (10, 1_000)},
    large_patch=2_000,
    tenants=5,
    workers=(1, 4),
    simulated=(200, 10, 1_000),
)
