import itertools
import random

from nas_sr.report.charts.labels import SIDES, along, label_box, place

SIZE = (1000.0, 400.0)


def boxes(anchors, texts, sides):
    return [label_box(x, y, text, side) for (x, y), text, side in zip(anchors, texts, sides, strict=True)]


def test_a_lone_label_stands_above_and_left_where_nothing_can_dominate_it():
    assert place([(500, 200)], ["c8"], [(500, 200)], SIZE) == ["top left"]


def test_labels_stay_inside_the_plot():
    anchors = [(2, 398), (998, 2), (2, 2), (998, 398)]
    texts = ["c16-nla"] * 4
    for box in boxes(anchors, texts, place(anchors, texts, anchors, SIZE)):
        assert box.left >= 0
        assert box.bottom >= 0
        assert box.right <= SIZE[0]
        assert box.top <= SIZE[1]


def test_neighbours_do_not_cover_each_other():
    anchors = [(500, 200), (512, 204), (505, 185)]
    texts = ["c16", "c16-nla", "c12"]
    placed = boxes(anchors, texts, place(anchors, texts, anchors, SIZE))
    assert all(a.overlap(b) == 0 for a, b in itertools.combinations(placed, 2))


def test_labels_avoid_lines():
    line = along((0, 200), (1000, 200))
    box = boxes([(500, 200)], ["c16-nla"], place([(500, 200)], ["c16-nla"], line, SIZE))[0]
    assert not any(box.holds(*point) for point in line)


def test_points_along_a_line_leave_no_gap_for_a_letter():
    points = along((0, 0), (300, 40))
    assert points[0] == (0, 0)
    assert points[-1] == (300, 40)
    assert max(abs(a[0] - b[0]) for a, b in itertools.pairwise(points)) < 8


def test_every_label_gets_a_side_however_crowded():
    draw = random.Random(1)
    anchors = [(draw.uniform(480, 520), draw.uniform(180, 220)) for _ in range(20)]
    sides = place(anchors, ["c4-nla"] * 20, anchors, SIZE)
    assert set(sides) <= {name for name, _, _ in SIDES}
