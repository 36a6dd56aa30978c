from nas_sr.report.data.latency_facts import latency_facts
from tests.report.study_records import finalist, measurement, prediction, study, tensorrt, trial


def facts(*latencies):
    record = study([trial(number, latency=latency) for number, latency in enumerate(latencies)])
    return {one.title: dict(one.rows) for one in latency_facts(record)}


def test_protocol_says_what_differs_between_measurements():
    one, two = measurement(10.0, runs=40), measurement(20.0, runs=90)
    two = two.model_copy(update={"machine": {"cpu": "another", "threads": 2}, "reference_ms": (25.0,)})
    found = facts(one, two)
    assert found["Protocol of 2 measurements"]["samples"] == "40 to 90"
    assert found["Protocol of 2 measurements"]["reference network meanwhile [ms]"] == "20 to 25"
    assert found["Measured machine"] == {"cpu": "Example CPU, 2 cores; another", "threads": "2"}


def test_predictions_have_grounds_and_no_protocol():
    found = facts(prediction(10.0, error=0.084, source="a paper", points=6), prediction(20.0, error=0.084, points=6))
    assert list(found) == ["Grounds of 2 predictions"]
    rows = found["Grounds of 2 predictions"]
    assert rows["calibration"] == "a paper; measured here"
    assert rows["calibration points"] == "6"
    assert rows["cross-validated error"] == "8.4 %"
    assert rows["interval"].startswith("80 %")


def test_labels_of_all_predictions_are_rows_and_those_of_one_are_counted():
    far = "outside the calibrated networks: core 24 (calibrated with 4 to 16)"
    found = facts(prediction(10.0, labels=("it is off",)), prediction(20.0, labels=(far, "it is off")))
    rows = found["Grounds of 2 predictions"]
    assert rows["to be known of all"] == "it is off"
    assert rows["outside the calibrated networks"].startswith("1 of 2")
    assert not any(far in text for text in rows.values())


def test_measured_and_predicted_stand_in_tables_of_their_own():
    found = facts(measurement(10.0), prediction(20.0))
    assert {"Protocol of 1 measurement", "Grounds of 1 prediction"} <= found.keys()


def test_finalists_are_listed_with_both_spreads():
    found = facts(measurement(10.0), finalist(20.0))
    assert list(found["Finalists"]) == ["trial 1"]
    assert "runs of one build differ by up to 0.40 %, builds by 1.1 %" in found["Finalists"]["trial 1"]
    assert "Finalists" not in facts(measurement(10.0))


def test_engines_gpu_and_versions():
    early = tensorrt(10.0, digest="0" * 64)
    late = tensorrt(20.0, digest="f" * 64).model_copy(update={"measured_at": "2026-01-02T00:00:00Z"})
    late = late.model_copy(update={"engine": late.engine | {"build_s": 20.5, "layers": [{}] * 61}})
    found = facts(late, early)
    engines = found["2 engines built"]
    assert engines["build [s]"] == "12.35 to 20.5"
    assert engines["layers"] == "58 to 61"
    assert engines["timing cache left by the last build"] == "f" * 12
    gpu = found["GPU while it was measured"]
    assert gpu["name"] == "Example GPU"
    assert gpu["driver"] == "L4T 35.4.1"
    assert gpu["clocks locked"] == "no"
    assert gpu["sm clock [MHz]"] == "900 to 905"
    assert found["Measured with"]["tensorrt"] == "8.5.2"


def test_runtimes_without_engines_have_no_such_table():
    assert not any("engine" in title or "GPU" in title for title in facts(measurement(10.0)))


def test_repeats_of_a_network_are_no_measurements_of_their_own():
    record = study([trial(0, latency=finalist(10.0)), trial(1, latency=finalist(10.0), repeats=0)])
    found = {one.title: dict(one.rows) for one in latency_facts(record)}
    assert "Protocol of 1 measurement" in found
    assert list(found["Finalists"]) == ["trial 0"]
