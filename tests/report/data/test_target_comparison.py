import math

import pytest

from nas_sr.report.charts.target_comparison_chart import comparison_chart
from nas_sr.report.data.target_comparison import comparison, networks, pair_sentence, pairs
from nas_sr.report.rendering import render
from tests.report.study_records import board_ms, example_study, measurement, on_board, prediction, study, trial


def moved(figures, *, predicted=()):
    """Trials as (PSNR [dB], ms on the CPU, ms on the board); those of `predicted` are predicted on the board."""
    trials = [
        trial(n, psnr_db=psnr, latency=measurement(cpu_ms, spread=0.0)) for n, (psnr, cpu_ms, _) in enumerate(figures)
    ]

    def on(one):
        take = prediction if one.number in predicted else measurement
        more = {} if one.number in predicted else {"spread": 0.0}
        return take(figures[one.number][2], target="board", **more)

    return on_board(study(trials), on)


# 0 and 2 are on both fronts, 1 only on that of the CPU, 3 only on that of the board.
FIGURES = [(25.0, 10.0, 40.0), (25.5, 12.0, 90.0), (26.0, 20.0, 80.0), (25.4, 16.0, 50.0)]


def test_networks_know_their_fronts_and_knees():
    found = {network.trial: network for network in networks(moved(FIGURES))}
    assert [network.trial for network in networks(moved(FIGURES))] == [0, 1, 3, 2]  # by latency on the first target
    assert {number: network.fronts for number, network in found.items()} == {
        0: ("cpu", "board"),
        1: ("cpu",),
        2: ("cpu", "board"),
        3: ("board",),
    }
    assert found[1].knees == ("cpu",)
    assert found[3].knees == ("board",)


def test_order_and_ratio():
    (pair,) = pairs(moved(FIGURES))
    assert pair.targets == ("cpu", "board")
    assert pair.same_order == pytest.approx(4 / 6)  # 1 is slower than 2 and than 3 on the board only
    assert pair.ratio == pytest.approx((4.0 + 4.0) / 2)


def test_a_network_without_a_latency_on_both_is_left_out():
    studies = moved(FIGURES)
    board = studies[1]
    trials = [one if one.number else one.model_copy(update={"latency": None}) for one in board.trials]
    assert [n.trial for n in networks([studies[0], board.model_copy(update={"trials": tuple(trials)})])] == [1, 3, 2]


def test_a_trial_begun_between_two_readings_is_left_out():
    cpu, board = moved(FIGURES)
    later = board.model_copy(update={"trials": (*board.trials, trial(9, state="running"))})
    assert len(networks([cpu, later])) == len(networks([later, cpu])) == 4


def test_the_sentence_names_who_is_on_which_front():
    said = pair_sentence(pairs(moved(FIGURES))[0])
    for part in (
        "4 networks on cpu and board: 67 % of all pairs",
        "4.0 times as long on board",
        "On both fronts: 0 and 2.",
        "Only on that of cpu: 1.",
        "Only on that of board: 3.",
    ):
        assert part in said
    assert "predicted" not in said
    assert "Where latencies on board are predicted" in pair_sentence(pairs(moved(FIGURES, predicted=(3,)))[0])


def test_nothing_to_compare_is_said():
    (pair,) = pairs(on_board(study([]), None))
    assert "Too few networks" in pair_sentence(pair)
    with pytest.raises(ValueError, match="no network"):
        comparison_chart(pair)


def test_the_chart_has_every_network_once_and_marks_fronts_by_shape():
    (pair,) = pairs(moved(FIGURES, predicted=(3,)))
    traces = {trace["name"]: trace for trace in comparison_chart(pair)["data"]}
    assert traces["Both fronts (2)"]["customdata"] == [0, 2]
    assert traces["Front of cpu only (1)"]["customdata"] == [1]
    only_board = traces["Front of board only (1)"]
    assert (only_board["x"], only_board["y"]) == ([16.0], [50.0])
    symbols = {traces[name]["marker"]["symbol"] for name in traces if "only" in name or "Both" in name}
    assert len(symbols) == 3
    assert only_board["marker"]["color"] == "@surface"
    assert traces["Both fronts (2)"]["marker"]["color"] != "@surface"
    assert "Hollow: predicted on board" in traces
    assert only_board["error_y"]["thickness"] > 3 * only_board["error_x"]["thickness"]  # x was measured, y predicted
    assert "predicted" in only_board["hovertext"][0]


def test_no_hollow_entry_where_all_was_measured():
    names = [trace["name"] for trace in comparison_chart(pairs(moved(FIGURES))[0])["data"]]
    assert not any("Hollow" in name for name in names)


def test_axes_show_every_point_and_have_ticks():
    (pair,) = pairs(on_board(example_study(40), lambda one: measurement(board_ms(one), target="board")))
    layout = comparison_chart(pair)["layout"]
    for index, axis in enumerate(("xaxis", "yaxis")):
        low_ms, high_ms = (10**end for end in layout[axis]["range"])
        figures = [network.latencies[index].latency_ms for network in pair.networks]
        assert low_ms < min(figures) < max(figures) < high_ms
        assert len(layout[axis]["tickvals"]) >= 3
        assert all(low_ms <= tick <= high_ms for tick in layout[axis]["tickvals"])


@pytest.mark.parametrize("factor", [1e-3, 1.0, 1e3])
def test_two_networks_that_take_the_same_have_room_and_ticks(factor):
    (pair,) = pairs(moved([(25.0, 10.0 * factor, 40.0), (26.0, 10.0 * factor, 40.0)]))
    axis = comparison_chart(pair)["layout"]["xaxis"]
    assert axis["range"][0] < math.log10(10.0 * factor) < axis["range"][1]
    assert axis["tickvals"]


def test_the_table_lists_fronts_and_marks_predictions():
    html = render("fronts.html.jinja", comparison=comparison(moved(FIGURES, predicted=(2, 3))))
    rows = {number: html.split(f'data-trial="{number}"')[1].split("</tr>")[0] for number in range(4)}
    assert "<td>both</td>" in rows[0]
    assert "<td>cpu, knee of cpu</td>" in rows[1]
    assert "80.0" in rows[2]
    assert rows[2].count('class="predicted"') == rows[3].count('class="predicted"') == 1
    assert "predicted" not in rows[0] + rows[1]
