import math

from nas_sr.report.data.facts import environment_facts, profile_facts, rows
from tests.report.study_records import study


def test_nested_values_become_paths():
    assert rows({"a": {"b_e": 1, "d": {"e": True}}, "f": None}) == [("a › b e", "1"), ("a › d › e", "yes"), ("f", "–")]


def test_units_at_the_end_of_a_key_are_set_apart():
    assert rows({"warmup_s": 0.5, "memory_gb": 8.0, "s": 1}) == [
        ("warmup [s]", "0.5"),
        ("memory [GB]", "8"),
        ("s", "1"),
    ]


def test_numbers_are_short_and_true():
    values = {"a": 1e-5, "b": 147.6412, "c": 300, "d": math.nan, "e": 0.0, "f": 1234567.0, "g": False}
    assert [text for _, text in rows(values)] == ["1e-05", "147.6", "300", "nan", "0", "1.23457e+06", "no"]


def test_a_flat_item_of_a_list_is_one_row_and_a_nested_one_is_several():
    flat = {"phases": [{"steps": 10, "loss": "l1"}, {"steps": 20, "schedule": {"kind": "cosine", "final": 0}}]}
    assert rows(flat) == [
        ("phases › 1", "steps 10, loss l1"),
        ("phases › 2 › steps", "20"),
        ("phases › 2 › schedule › kind", "cosine"),
        ("phases › 2 › schedule › final", "0"),
    ]


def test_a_long_list_says_how_many_more():
    assert rows({"images": [f"{i}.png" for i in range(800)]})[0][1].endswith("7.png and 792 more")


def test_lists_of_lists_keep_their_groups():
    assert rows({"nla_after": [[], [2], [2, 4]]}) == [("nla after", "none, 2, 2+4")]


def test_rates_have_their_unit():
    assert rows({"bandwidth_gb_s": 448.0, "build_s": 2.0}) == [("bandwidth [GB/s]", "448"), ("build [s]", "2")]


def test_loose_values_of_the_environment_come_first():
    found = environment_facts(study([], environment={"machine": {"cpu": "x"}, "bicubic_psnr_db": 25.5}))
    assert [one.title for one in found] == ["Study", "machine"]
    assert ("bicubic psnr [dB]", "25.5") in found[0].rows


def test_each_target_has_its_own_profile():
    environment = {"frozen": {"space": {"title": "tiny"}, "hw": {"cpu": {"precision": "fp32"}}}}
    # The board came later, so that nothing of it is in the environment.
    board = study([], environment=environment, target="board", targets=("cpu", "board"))
    board = board.model_copy(update={"profile": {"precision": "fp16", "protocol": {"warmup_s": 1.0}}})
    (found,) = profile_facts(board)
    assert found == ("Hardware profile board", (("precision", "fp16"), ("protocol › warmup [s]", "1")))
    shared = {one.title: one.rows for one in environment_facts(board)}
    assert shared["fixed when the study began"] == (("space › title", "tiny"),)
