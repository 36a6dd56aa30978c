"""Kendall's tau as others compute it, its interval, and the ceiling that noise sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas_sr.rank_agreement import agreement, noise_ceiling, tau


def test_tau_is_scipys_with_ties_too() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        first, second = random.integers(6, size=10), random.integers(6, size=10)
        assert tau(first, second) == pytest.approx(kendalltau(first, second).statistic)
    assert math.isnan(tau(np.zeros(5), np.arange(5)))


def test_interval_holds_tau_and_narrows_with_more_networks() -> None:
    random = np.random.default_rng(1)
    truth = np.arange(40.0)
    score = truth + random.normal(0, 8, 40)
    few, many = agreement(score[::5], truth[::5]), agreement(score, truth)
    for found in (few, many):
        assert found.low <= found.tau <= found.high
    assert many.high - many.low < few.high - few.low
    assert math.isnan(agreement(score[:2], truth[:2]).low)


def test_ceiling_is_what_a_perfect_score_reaches() -> None:
    """Of twelve networks as far apart as two seeds' noise; the ceiling is known from the truth, many times."""
    random = np.random.default_rng(2)
    truth = np.linspace(0.0, 0.1, 12)
    reached, said = [], []
    for _ in range(100):
        reference = truth + random.normal(0, 0.03, (3, 12))
        reached.append(tau(truth, reference.mean(axis=0)))
        ceiling = noise_ceiling(reference)
        assert ceiling is not None
        said.append(ceiling)
    assert float(np.mean(said)) == pytest.approx(float(np.mean(reached)), abs=0.05)
    exact = noise_ceiling(truth + random.normal(0, 1e-6, (3, 12)))
    assert exact == pytest.approx(1.0)


def test_ceiling_needs_further_seeds_and_bears_missing_ones() -> None:
    reference = np.linspace(0.0, 0.1, 12) + np.random.default_rng(3).normal(0, 0.01, (3, 12))
    assert noise_ceiling(reference[:1]) is None
    assert noise_ceiling(reference[:, :2]) is None
    reference[1, 4] = reference[2, 4] = math.nan
    ceiling = noise_ceiling(reference)
    assert ceiling is not None
    assert 0.5 < ceiling < 1
