"""Which members a training draws."""

from __future__ import annotations

import numpy as np
import pytest

from nas_sr.errors import UsageError
from nas_sr.families.counts import counts
from nas_sr.space import read_space
from nas_sr.supernet.members import Draw, Pool, cheapest, costliest, pool, pool_of

SPACE = read_space("compact_x4")


@pytest.fixture(scope="module")
def members() -> Pool:
    return pool(SPACE, 0, size=100)


def test_a_pool_is_the_same_for_a_seed_and_holds_the_extremes(members: Pool) -> None:
    assert pool(SPACE, 0, size=100) == members
    assert pool(SPACE, 1, size=100) != members
    assert len({spec.digest for spec in members.specs}) == len(members.specs) == 100
    assert list(members.macs_g) == sorted(members.macs_g)
    assert members.specs[0].digest == cheapest(SPACE).digest
    assert members.specs[-1].digest == costliest(SPACE).digest


def test_a_small_space_is_taken_whole() -> None:
    assert len(pool(SPACE, 0).specs) == len(SPACE.architectures)


def test_limits_leave_members_out() -> None:
    cheap = pool(SPACE, 0, size=50, max_macs_g=4.0)
    assert max(cheap.macs_g) <= 4.0
    relu = pool(SPACE, 0, size=20, allowed=lambda spec: "relu" in spec.label())
    assert all("relu" in spec.label() for spec in relu.specs)
    with pytest.raises(UsageError, match=r"cheapest has 0\.316 GMACs, and at most 0\.1 are allowed"):
        pool(SPACE, 0, max_macs_g=0.1)
    with pytest.raises(UsageError, match=r"no network of the space is allowed: its cheapest has 0\.316 GMACs$"):
        pool(SPACE, 0, size=4, allowed=lambda spec: False)


@pytest.mark.parametrize("rule", ["uniform", "sandwich", "cost-weighted"])
def test_a_steps_members_follow_from_seed_and_step(members: Pool, rule: Draw) -> None:
    drawn = [members.drawn(7, step, 4, rule) for step in range(20)]
    assert drawn == [members.drawn(7, step, 4, rule) for step in range(20)]
    assert drawn != [members.drawn(8, step, 4, rule) for step in range(20)]
    assert len({spec.digest for step in drawn for spec in step}) > 20
    for step in range(5):
        assert members.drawn(7, step, 4, rule, largest_first=True)[0] == members.specs[-1]


def test_rules_draw_what_they_say(members: Pool) -> None:
    assert members.drawn(0, 3, 4, "sandwich")[:2] == [members.specs[-1], members.specs[0]]

    def median_place(rule: Draw) -> float:
        """Of what is drawn, between the cheapest (0) and the costliest (1), by the logarithm of the cost."""
        costs = [counts(spec).macs_g for step in range(100) for spec in members.drawn(0, step, 4, rule)]
        low, high = np.log(members.macs_g[0]), np.log(members.macs_g[-1])
        return float((np.median(np.log(costs)) - low) / (high - low))

    assert median_place("cost-weighted") == pytest.approx(0.5, abs=0.06)
    assert median_place("uniform") > 0.58


def test_watched_members_are_spread_over_cost(members: Pool) -> None:
    watched = members.spread(6)
    logs = np.diff(np.log([counts(spec).macs_g for spec in watched]))
    assert watched[0] == members.specs[0]
    assert watched[-1] == members.specs[-1]
    assert logs.max() < 2.5 * logs.min()
    assert pool_of([*watched, *watched]).specs == tuple(watched)
