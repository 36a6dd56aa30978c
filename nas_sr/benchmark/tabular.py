"""A recorded benchmark as other libraries of hyperparameter optimisation take one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import optuna
import pandas as pd

from nas_sr.benchmark.replay import Answers, RecordedSpace, search_config
from nas_sr.benchmark.table import Start, Table
from nas_sr.errors import UsageError
from nas_sr.space import read_space, read_spaces


class Blackbox(NamedTuple):
    """The networks of one family as arrays: what Syne Tune's `BlackboxTabular` is made of.

    A missing value is not a number.
    """

    hyperparameters: pd.DataFrame  # (n, parameters); a placement of attention is a text
    configuration_space: dict[str, list[str | int | float]]  # of each parameter its values
    fidelity_values: np.ndarray  # (lengths,), training steps
    objectives_names: list[str]
    objectives_evaluations: np.ndarray  # (n, seeds, lengths, objectives)


def blackbox(table: Table, family: str, target: str, start: Start = "scratch") -> Blackbox:
    """The recorded trainings of a family's networks, with their latency on a target.

    Objectives are the PSNR [dB], the processor time of the whole training [s], and the latency relative to the
    reference network.

    Raises:
        UsageError: the table has no such family, or no latencies on that target.
    """
    spaces = {space.family: space for space in map(read_space, table.about.protocol.spaces)}
    if family not in spaces:
        raise UsageError(f"family {family}: the table has {', '.join(spaces)}")
    found = {digest: params for digest, params in spaces[family].architectures.items() if digest in table.specs}
    rows = [row for row in table.rows.values() if row.start == start and row.digest in found and row.steps]
    seeds, lengths = sorted({row.seed for row in rows}), sorted({row.steps for row in rows})
    values = np.full((len(found), len(seeds), len(lengths), 3), np.nan)
    place = {digest: index for index, digest in enumerate(found)}
    for row in rows:
        where = (place[row.digest], seeds.index(row.seed), lengths.index(row.steps))
        values[where] = (
            np.nan if row.psnr_db is None else row.psnr_db,
            row.cpu_ms_per_step * row.steps / 1e3,
            table.latency(row.digest, target).relative_latency or np.nan,
        )
    parameters = pd.DataFrame(list(found.values()))
    return Blackbox(
        parameters,
        {str(name): parameters[name].drop_duplicates().tolist() for name in parameters},
        np.array(lengths),
        ["psnr_db", "cpu_s", "relative_latency"],
        values,
    )


class OptunaObjective:
    """An objective for `optuna.create_study(directions=["maximize", "minimize"])`: PSNR [dB] and relative latency.

    A proposal stands for the recorded network that is nearest to it, whose digest is the trial's attribute `digest`.
    """

    def __init__(self, table: Table, target: str, steps: int, seed: int = 0) -> None:
        """
        Args:
            table: the recorded benchmark.
            target: name of the hardware profile.
            steps: length of the trainings.
            seed: of the trainings.

        Raises:
            UsageError: the table has no such trainings or latencies.
        """
        self._answers = Answers(table, target, search_config(table.about.protocol, "random", 0, steps), (seed,))
        spaces = read_spaces(tuple(table.about.protocol.spaces))
        self._space = RecordedSpace(spaces, list(self._answers.specs.values()))

    def __call__(self, trial: optuna.Trial) -> tuple[float, float]:
        """The recorded figures.

        Raises:
            optuna.TrialPruned: no such network can be built, or its training diverged.
        """
        try:
            spec = self._space.spec(self._space.suggest(trial))
        except UsageError as error:
            raise optuna.TrialPruned(str(error)) from None
        trial.set_user_attr("digest", spec.digest)
        psnr_db, _ = self._answers.training(spec.digest, 0, self._answers.first_steps)
        if psnr_db is None:
            raise optuna.TrialPruned("its training diverged")
        return psnr_db, self._answers.latencies_ms[spec.digest]
