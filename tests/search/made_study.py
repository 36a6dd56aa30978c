"""A finished study of two tiny networks: the figures are made up, the weights are real and untrained."""

from pathlib import Path

from nas_sr.config import StudyConfig
from nas_sr.families.network import build
from nas_sr.families.weights import save_weights
from nas_sr.search.outcome import Outcome
from nas_sr.search.proposals import Proposals
from nas_sr.search.store import StudyStore
from nas_sr.search.trial_store import write_curve, write_latency
from nas_sr.space import parse_space
from tests.report.study_records import measurement

SPACE = parse_space({"fixed": {"depth": 2, "head": 16, "gidbs": 1}, "parameters": {"core": [2, 4]}}, Path("s"))


def made_study(folder: Path) -> StudyStore:
    """The study in that folder, on the target cpu."""
    environment = {
        "bicubic_psnr_db": 24.5,
        "data": {"description": "made up", "smallest_lr": 106},
        "frozen": {"hw": {"cpu": {"title": "a CPU"}}},
    }
    store = StudyStore.create(folder, StudyConfig(hw=("cpu",)), environment)
    for params in SPACE.architectures.values():
        store.study.enqueue_trial(SPACE.as_drawn(params))
    proposals = Proposals(store, SPACE)
    for psnr_db, latency_ms in ((25.0, 10.0), (26.0, 20.0)):
        proposal = proposals.ask()
        assert proposal
        trial = store.trial_folder(proposal.number)
        write_latency(store.latency_path(proposal.number, "cpu"), measurement(latency_ms))
        save_weights(build(proposal.spec, 0).state_dict(), proposal.spec, trial / "weights.safetensors")
        write_curve(trial, [])
        proposals.tell(proposal.number, Outcome("complete", psnr_db, (latency_ms,)))
    return store
