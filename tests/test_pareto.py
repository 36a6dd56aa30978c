import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.pareto import beaten, front_order, hypervolume, hypervolumes, knee, pareto_front

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


# Any number of objectives, each to make large or small.
sizes = st.integers(2, 4)
senses = sizes.flatmap(lambda size: st.tuples(*[st.booleans()] * size))
studies = senses.flatmap(
    lambda maximise: st.tuples(
        st.just(maximise), st.lists(st.tuples(*[st.integers(0, 5).map(float)] * len(maximise)), max_size=12)
    )
)


def gains(point, maximise):
    return tuple(value if more else -value for value, more in zip(point, maximise, strict=True))


def better(a, b, maximise):
    pairs = list(zip(gains(a, maximise), gains(b, maximise), strict=True))
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


@given(studies)
def test_front_of_any_objectives_is_the_set_of_points_nothing_beats(study):
    maximise, points = study
    expected = [
        index
        for index, point in enumerate(points)
        if not any(better(other, point, maximise) for other in points) and point not in points[:index]
    ]
    found = pareto_front(points, maximise)
    assert sorted(found) == expected
    assert [front_order(points[index], maximise) for index in found] == sorted(
        front_order(points[index], maximise) for index in expected
    )
    assert all(beaten(point, points, maximise) == (point not in [points[i] for i in found]) for point in points)


@given(studies)
def test_hypervolume_of_any_objectives_is_the_number_of_dominated_unit_cells(study):
    maximise, points = study
    reference = tuple(0.0 if more else 5.0 for more in maximise)
    cells = 0
    for corner in itertools.product(range(5), repeat=len(maximise)):  # of each cell, in gains over the reference
        far = [start + 1 for start in corner]
        reached = [
            [abs(value - low) for value, low in zip(point, reference, strict=True)]  # 0..5 away on the good side
            for point in points
        ]
        cells += any(all(have >= need for have, need in zip(each, far, strict=True)) for each in reached)
    assert hypervolume(points, reference, maximise) == pytest.approx(cells)
    history = [hypervolume(points[:count], reference, maximise) for count in range(1, len(points) + 1)]
    assert hypervolumes(points, reference, maximise) == pytest.approx(history)


def test_points_that_are_not_finite_add_nothing_to_a_history():
    assert hypervolumes([(math.nan, 1.0), (26.0, 9.0), (27.0, math.inf)], (25.0, 10.0)) == [0.0, 1.0, 1.0]


def test_knee_of_three_objectives_gives_up_least_in_all():
    maximise = (True, False, False)
    ends = [(30.0, 9.0, 9.0), (20.0, 1.0, 9.0), (20.0, 9.0, 1.0)]
    assert knee([*ends, (27.0, 3.0, 4.0), (22.0, 2.0, 7.0)], maximise) == 3
    assert knee(ends, maximise) == 1  # all the same: the first in the front's order


@given(senses.flatmap(lambda s: st.tuples(st.just(s), st.lists(st.tuples(*[st.floats(1, 99)] * len(s)), min_size=1))))
def test_knee_has_the_largest_sum_of_gains(study):
    maximise, points = study
    front = [points[index] for index in pareto_front(points, maximise)]
    columns = list(zip(*front, strict=True))

    def total(point):
        return sum(
            ((value - min(column)) if more else (max(column) - value)) / ((max(column) - min(column)) or 1.0)
            for value, column, more in zip(point, columns, maximise, strict=True)
        )

    assert total(front[knee(front, maximise)]) == pytest.approx(max(map(total, front)), abs=1e-9)
