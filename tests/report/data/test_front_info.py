from nas_sr.report.data.front_info import front_info, unmeasured
from nas_sr.report.data.trial_info import export_command
from tests.report.study_records import (
    baseline,
    example_study,
    measurement,
    on_board,
    prediction,
    study,
    trial,
)

SILENT = "not measured: board does not answer"


def predicted_front(name="example"):
    """Trials 0 and 2 of the front on the board are predicted, and so is 3, which is dominated."""
    psnr_db = (25.0, 25.5, 26.0, 24.0)
    record = study([trial(n, psnr_db=psnr, latency=10.0 + n) for n, psnr in enumerate(psnr_db)], name=name)

    def on(one):
        latency_ms = 40.0 + 5 * one.number
        return measurement(latency_ms, target="board") if one.number == 1 else prediction(latency_ms, labels=(SILENT,))

    return record, on


def test_a_point_has_the_low_and_high_end_of_its_kind():
    latency = prediction(20.0)
    timed = measurement(30.0, stable=False)
    record = study([trial(0, latency=latency), trial(1, psnr_db=27.0, latency=timed)])
    fast, slow = front_info(record).front
    assert (fast.low_ms, fast.high_ms, fast.kind, fast.unstable) == (
        latency.low_ms,
        latency.high_ms,
        "predicted",
        False,
    )
    assert (slow.low_ms, slow.high_ms) == (timed.percentile(5), timed.percentile(95))
    assert (slow.kind, slow.unstable) == ("measured", True)


def test_a_competitor_is_no_trial_of_the_front():
    rival = baseline("better in both", 30.0, prediction(1.0))
    found = front_info(study([trial(0, latency=10.0)], baselines=[rival]))
    assert [point.trial for point in found.front] == [0]
    assert found.baselines == (rival,)
    assert found.anything_predicted
    assert found.count("predicted") == 0


def test_a_measured_front_needs_no_command():
    assert unmeasured(example_study()) is None


def test_predictions_that_are_dominated_need_no_command():
    record = study([trial(0, latency=10.0), trial(1, psnr_db=25.0, latency=prediction(20.0))])
    assert unmeasured(record) is None


def test_the_searching_command_measures_what_the_search_left_predicted():
    record, on = predicted_front("a 'b'")
    cpu, board = on_board(record, on)
    assert unmeasured(cpu) is None
    found = unmeasured(board)
    assert found.trials == (0, 2)
    assert found.labels == (SILENT,)
    far = "outside the calibrated networks: groups 1 (calibrated with 4)"
    unlike = board.trial(2).latency.model_copy(update={"labels": (far, SILENT)})
    trials = [one.model_copy(update={"latency": unlike}) if one.number == 2 else one for one in board.trials]
    mixed = board.model_copy(update={"trials": tuple(trials)})
    assert unmeasured(mixed).labels == (SILENT, f"trial 2: {far}")
    # It names its own targets when it began, and what it has evaluated is its whole budget: nothing new is searched.
    assert found.command == """nas-sr search --name 'a '"'"'b'"'"'' --budget 4"""


def test_the_retargeting_command_measures_what_retargeting_left_predicted():
    record, on = predicted_front()
    _, board = on_board(record, on, searched=False)
    assert unmeasured(board).command == "nas-sr retarget example --hw board"
    own = board.model_copy(update={"hw": "/home/me/my boards/board.yaml"})
    assert unmeasured(own).command == "nas-sr retarget example --hw '/home/me/my boards/board.yaml'"


def test_commands_find_a_study_in_another_folder():
    record, on = predicted_front()
    elsewhere = {"study_dir": "/data/all studies/example"}
    cpu, board = (each.model_copy(update=elsewhere) for each in on_board(record, on))
    assert unmeasured(board).command == "nas-sr search --name example --studies '/data/all studies' --budget 4"
    assert export_command(cpu, 3) == "nas-sr export example --studies '/data/all studies' --trial 3"


def test_the_budget_counts_what_the_search_counts():
    trials = [
        trial(0, latency=prediction(10.0)),
        trial(1, state="infeasible", latency=prediction(90.0)),
        trial(2, state="failed"),
        trial(3, state="pruned", latency=prediction(9.0)),
        trial(4, state="interrupted"),
        trial(5, latency=prediction(10.0), repeats=0),
    ]
    assert unmeasured(study(trials)).command.endswith("--budget 4")
