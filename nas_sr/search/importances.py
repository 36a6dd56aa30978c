"""How much each parameter of a space matters for each objective: what a report shows of it."""

from __future__ import annotations

import math
import warnings

import optuna
from optuna.trial import FrozenTrial

from nas_sr.objectives import Objective
from nas_sr.records import StudyRecord
from nas_sr.space import PLACE

_FEWEST = 10  # distinct complete trials below which importances are noise


def importances(study: optuna.Study, record: StudyRecord) -> dict[str, dict[str, float]]:
    """Objective -> parameter -> share: how much a parameter decides whether a trial is among the best tenth in it.

    By PED-ANOVA (Watanabe et al., IJCAI 2023, https://arxiv.org/abs/2304.10255), from the values that the record has;
    empty with too few trials.
    """
    complete = {trial.number: trial for trial in record.trials if trial.state == "complete"}
    if len({trial.spec.digest for trial in complete.values()}) < _FEWEST:
        return {}

    def cost(frozen: FrozenTrial, objective: Objective) -> float:
        """Less is better, as PED-ANOVA takes it; NaN is passed over."""
        trial = complete.get(frozen.number)
        value = None if trial is None else objective.value(trial)
        return math.nan if value is None else float(-value if objective.maximise else value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that less is taken for better
        found = {
            objective.name: optuna.importance.get_param_importances(
                study,
                evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
                target=lambda frozen, objective=objective: cost(frozen, objective),  # type: ignore[misc]
            )
            for objective in record.traded
        }
    return {name: {key.removesuffix(PLACE): share for key, share in of.items()} for name, of in found.items()}
