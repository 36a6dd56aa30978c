"""What the page's first part knows: limits, figures with their uncertainty, who is tied, and the drawing."""

import pytest

from nas_sr.families.presets import preset
from nas_sr.families.registry import family_of
from nas_sr.records import LongEstimate, Score
from nas_sr.report.data.decision import cards, decision, psnr_error
from nas_sr.report.data.diagram import diagram
from tests.report.study_records import example_study, prediction, study, trading, trial


def raced(number, latency_ms, mean_db, ties=(), probability=0.9):
    estimate = LongEstimate(steps=3200, mean_db=mean_db, sd_db=0.012, front_probability=probability, ties=ties)
    scores = tuple(Score(seed=seed, steps=3200, psnr_db=mean_db) for seed in range(2))
    return trial(number, psnr_db=mean_db, latency=latency_ms, estimate=estimate, scores=scores)


def test_nothing_to_decide_without_a_front():
    assert decision(study([trial(0, state="failed", reason="no")])) is None
    assert cards(study([])) == ()


def test_every_known_objective_can_be_limited_and_its_slider_reaches_nothing_and_everything():
    record = trading(example_study(30), ("psnr_db", "latency_ms", "memory_mb", "params"))
    found = decision(record)
    names = [limit.objective.name for limit in found.limits]
    assert names[0] == "latency_ms"
    assert {"psnr_db", "memory_mb", "params", "macs_g", "energy_mj"} <= set(names)
    for limit in found.limits:
        values = [choice.values[limit.objective.name] for choice in found.choices]
        assert limit.low < min(values)
        assert limit.high > max(values)
        assert 30 <= (limit.high - limit.low) / limit.step <= 2000


def test_a_single_point_has_sliders_too():
    found = decision(study([trial(0, latency=4.0)]))
    assert all(limit.low < limit.high for limit in found.limits)


def test_energy_that_nobody_read_cannot_be_limited():
    assert "energy_mj" not in {limit.objective.name for limit in decision(example_study(30)).limits}


def test_ties_are_those_of_the_estimates_or_within_what_seeds_differ_by():
    told = decision(study([raced(0, 5.0, 26.00, ties=(1,)), raced(1, 9.0, 26.01, ties=(0,)), raced(2, 12.0, 26.2)]))
    assert [choice.ties for choice in told.choices] == [(1,), (0,), ()]
    assert "all trainings" in told.tied
    assert "3,200 steps" in psnr_error(study([raced(0, 5.0, 26.0)]).trial(0))
    assert "± 0.012 dB" in psnr_error(raced(0, 5.0, 26.0))
    brief = decision(study([trial(n, psnr_db=db, latency=5.0 + n) for n, db in enumerate((26.0, 26.02, 26.2))]))
    assert [choice.ties for choice in brief.choices] == [(1,), (0,), ()]
    assert "one training each" in brief.tied
    assert "one seed" in psnr_error(trial(0))


def test_cards_have_figures_and_commands_that_name_the_trial():
    record = study([trial(0, psnr_db=26.0, latency=prediction(20.0))], name="a b")
    (card,) = cards(record)
    assert card.latency.kind == "predicted"
    assert "80 % interval" in card.latency.spread
    assert [text for _, text in card.commands] == [
        "nas-sr export 'a b' --trial 0",
        "nas-sr train 'bundles/a b-0'",
        "nas-sr measure 'a b:0' --hw cpu --final",
    ]
    assert dict(card.values)["Parameters"] == f"{record.trial(0).counts.params:,}"


@pytest.mark.parametrize("name", ["imdeception-c4-nla", "compact-24x8"])
def test_a_diagram_has_a_bar_for_each_convolution(name):
    spec = preset(name)
    convs = family_of(spec).layers(spec).convs
    drawn = diagram(spec)
    assert [bar.text.split(":")[0] for bar in drawn.bars] == [conv.name for conv in convs]
    assert [bar.look for bar in drawn.bars] == [
        "pointwise" if conv.kernel == 1 else "grouped" if conv.groups > 1 else "dense" for conv in convs
    ]
    ends = [bar.x for bar in drawn.bars]
    assert ends == sorted(ends)
    assert drawn.width >= ends[-1]
    assert ("2 attentions" in drawn.text) == ("nla" in name)
