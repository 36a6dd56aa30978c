from nas_sr.report.data import latencies
from tests.report.study_records import measurement, prediction, study, trial


def test_cautions_count_stable_measurements_only():
    record = study(
        [
            trial(0, latency=measurement(10.0, labels=("floating clocks",))),
            trial(1, latency=measurement(11.0, labels=("floating clocks", "hot"))),
            trial(2, latency=measurement(12.0, stable=False, labels=("samples vary",))),
            trial(3, latency=prediction(12.0, labels=("not measured",))),
            trial(4, latency=measurement(10.0, labels=("floating clocks",)), repeats=0),
        ]
    )
    assert latencies.notes(record) == ["floating clocks (2 of 2)", "hot (1 of 2)"]
