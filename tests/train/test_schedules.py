"""Learning rates at the places that matter, for every schedule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_sr.config import Cosine, Knee, Phase
from nas_sr.train.recipes import paper_training
from nas_sr.train.schedules import learning_rate


def test_papers_knee_epoch_by_epoch() -> None:
    phase = paper_training(4, None, None, 128).training.phases[0]
    epoch = 800

    def at(epochs: float) -> float:
        return learning_rate(phase, round(epochs * epoch) - 1)

    assert at(5) == pytest.approx(0.25e-3)  # half-way through the warm-up
    assert at(10) == pytest.approx(0.5e-3)
    assert at(410) == pytest.approx(0.5e-3)
    assert at(610) == pytest.approx(0.5e-3 * (1 + 0.01) / 2, rel=1e-3)  # half-way through the cooldown
    assert at(810) == pytest.approx(0.5e-5, rel=1e-2)
    assert at(2000) == pytest.approx(0.5e-5)


def test_what_follows_the_knee_is_a_choice() -> None:
    phase = Phase(steps=1000, learning_rate=1.0)

    def rates(after: str) -> list[float]:
        knee = Knee.model_validate({"warmup": 0.1, "hold": 0.2, "cooldown": 0.2, "final": 0.0, "after": after})
        return [learning_rate(phase.model_copy(update={"schedule": knee}), step) for step in range(1000)]

    assert rates("floor")[600] == 0
    assert rates("restart")[699] == pytest.approx(1.0)
    stretched = rates("stretch")
    assert stretched[199] == pytest.approx(1.0)
    assert stretched[599] == pytest.approx(1.0)
    assert stretched[799] == pytest.approx(0.5)
    assert stretched[-1] == pytest.approx(0.0)


def test_cosine_warms_up_and_ends_at_its_final_rate() -> None:
    phase = Phase(steps=300, learning_rate=1e-3, schedule=Cosine(warmup=1 / 6, final=0.1))
    assert learning_rate(phase, 0) == pytest.approx(1e-3 / 50)
    assert learning_rate(phase, 49) == pytest.approx(1e-3)
    assert learning_rate(phase, 299) == pytest.approx(1e-4)


@given(
    steps=st.integers(1, 500),
    schedule=st.one_of(
        st.builds(Cosine, warmup=st.floats(0, 1), final=st.floats(0, 1)),
        st.builds(
            Knee,
            warmup=st.floats(0.01, 0.3),
            hold=st.floats(0, 0.3),
            cooldown=st.floats(0.01, 0.3),
            final=st.floats(0, 1),
            after=st.sampled_from(["floor", "restart", "stretch"]),
        ),
    ),
)
def test_rate_stays_between_zero_and_the_maximum(steps: int, schedule: Cosine | Knee) -> None:
    phase = Phase(steps=steps, learning_rate=0.5, schedule=schedule)
    for step in range(steps):
        assert 0 <= learning_rate(phase, step) <= 0.5 * (1 + 1e-9)
