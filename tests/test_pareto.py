import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.pareto import hypervolume, knee, pareto_front

# A coarse grid, so that ties and duplicates come up often.
coarse = st.tuples(st.integers(0, 8).map(float), st.integers(0, 8).map(float))
fine = st.tuples(st.floats(20, 40), st.floats(0.1, 200))
some_points = st.lists(coarse, max_size=14) | st.lists(fine, max_size=14)
one_or_more = st.lists(coarse, min_size=1, max_size=14) | st.lists(fine, min_size=1, max_size=14)


def beats(a, b):
    return a[0] >= b[0] and a[1] <= b[1] and a != b


def front_by_definition(points):
    return [
        index
        for index, point in enumerate(points)
        if not any(beats(other, point) for other in points) and point not in points[:index]
    ]


@given(some_points)
def test_front_is_the_set_of_points_nothing_beats(points):
    assert sorted(pareto_front(points)) == front_by_definition(points)


@given(some_points)
def test_front_is_fastest_first_and_rises(points):
    front = [points[index] for index in pareto_front(points)]
    assert all(a[1] < b[1] and a[0] < b[0] for a, b in itertools.pairwise(front))


def test_first_of_exact_duplicates_stays():
    assert pareto_front([(26.0, 9.0), (25.0, 5.0), (25.0, 5.0), (26.0, 9.0)]) == [1, 0]


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (30.0, math.nan), (math.inf, 1.0), (30.0, -math.inf)])
def test_points_that_are_not_finite_are_left_out(bad):
    assert pareto_front([bad, (26.0, 9.0)]) == [1]
    assert hypervolume([bad, (26.0, 9.0)], (25.0, 10.0)) == pytest.approx(1.0)


@given(st.lists(coarse, max_size=10), coarse)
def test_hypervolume_is_the_number_of_dominated_unit_cells(points, reference):
    # On whole-number points the dominated area is a union of unit cells, which can be counted.
    cells = sum(
        any(psnr >= row + 1 and latency <= column for psnr, latency in points)
        for row in range(int(reference[0]), 8)
        for column in range(int(reference[1]))
    )
    assert hypervolume(points, reference) == cells


@given(one_or_more, fine | coarse, fine | coarse)
def test_one_more_point_never_shrinks_the_hypervolume(points, extra, reference):
    before = hypervolume(points, reference)
    assert hypervolume([*points, extra], reference) >= before - 1e-9 * max(1.0, before)


def test_points_behind_the_reference_contribute_nothing():
    assert hypervolume([(24.0, 5.0), (27.0, 11.0), (25.0, 10.0)], (25.0, 10.0)) == 0.0
    assert hypervolume([], (25.0, 10.0)) == 0.0


def distance_from_chord(points, index):
    """Signed distance of a point from the line between the front's ends, both axes normalised."""
    psnr, latency = zip(*points, strict=True)
    (x0, y0), (x1, y1) = (0.0, 0.0), (1.0, 1.0)
    x = (latency[index] - min(latency)) / (max(latency) - min(latency))
    y = (psnr[index] - min(psnr)) / (max(psnr) - min(psnr))
    return ((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / math.hypot(x1 - x0, y1 - y0)


@given(st.lists(fine, min_size=3, max_size=14))
def test_knee_is_the_point_farthest_out_of_the_chord(points):
    front = [points[index] for index in pareto_front(points)]
    if len(front) >= 3:
        distances = [distance_from_chord(front, index) for index in range(len(front))]
        assert distances[knee(front)] == pytest.approx(max(distances), abs=1e-9)


@given(one_or_more, st.floats(0.1, 10), st.floats(-5, 5))
def test_knee_does_not_depend_on_units(points, factor, shift):
    front = [points[index] for index in pareto_front(points)]
    distances = sorted(distance_from_chord(front, index) for index in range(len(front))) if len(front) > 2 else []
    if len(distances) > 1 and distances[-1] - distances[-2] > 1e-6:
        assert knee([(psnr + shift, latency * factor) for psnr, latency in front]) == knee(front)


def test_knee_of_a_bent_front():
    assert knee([(24.0, 1.0), (25.8, 2.0), (26.0, 9.0)]) == 1


@pytest.mark.parametrize(
    "front",
    [
        [(26.0, 9.0)],
        [(25.0, 5.0), (26.0, 9.0)],
        [(25.0, 1.0), (25.1, 1.1), (25.2, 1.2), (25.3, 1.3)],  # straight
        [(25.0, 1.0), (25.1, 8.0), (27.0, 9.0)],  # sagging: the middle point is no compromise
    ],
)
def test_knee_is_the_fastest_where_nothing_bulges(front):
    assert knee(front) == 0


def test_no_points_have_no_knee():
    with pytest.raises(ValueError, match="no knee"):
        knee([])
