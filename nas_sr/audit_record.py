"""What an audit of a study found on one target: frozen, without torch and optuna."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class AuditedNetwork(BaseModel):
    """A candidate that an audit trains."""

    model_config = ConfigDict(frozen=True)

    number: int
    label: str
    on_front: bool  # of the study as its search left it
    latency_ms: float
    macs_g: float
    search_db: float  # the PSNR that placed it there
    psnr_db: tuple[float | None, ...] = ()  # after the audit's length, by its seeds; None: not trained, or failed
    front_probability: float | None = None  # of being on the true front, by all trainings

    @property
    def mean_db(self) -> float | None:
        """The mean of its seeds."""
        known = [each for each in self.psnr_db if each is not None]
        return sum(known) / len(known) if known else None


class Regret(BaseModel):
    """What is lost at equal latency by choosing from the search's front, among the audited networks [dB].

    Within a latency the search offers the member of its front with the most PSNR in its eyes, and the audit knows which
    network really has the most. The figure is the mean over limits: the latency of each audited network is one.
    """

    model_config = ConfigDict(frozen=True)

    mean_db: float
    low_db: float  # 90 % interval, from what remains uncertain of the networks' PSNR
    high_db: float
    largest_db: float
    largest_within_ms: float  # the limit at which most is lost


class RankAgreement(BaseModel):
    """Kendall's tau of a figure against the audit's mean PSNR, over its networks."""

    model_config = ConfigDict(frozen=True)

    tau: float | None
    low: float | None  # 90 % interval, from resampling networks
    high: float | None


class Audit(BaseModel):
    """Longer trainings, from seeds that the search never used, of networks on its front and around: what it is worth.

    Figures are None until enough is trained.
    """

    model_config = ConfigDict(frozen=True)

    target: str
    steps: int  # of each training
    times: float  # the study's
    seeds: tuple[int, ...]
    networks: tuple[AuditedNetwork, ...]  # fastest first
    missing: int  # trainings still to do
    failed: int = 0  # trainings that failed
    regret: Regret | None = None
    search: RankAgreement | None = None  # of the search's PSNR
    macs: RankAgreement | None = None  # of multiply-accumulates, which cost nothing to know
    ceiling: float | None = None  # tau that a score which ranks perfectly reaches against so noisy a mean
