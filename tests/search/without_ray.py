"""Ray Tune's part of a search, played in the test's own process: where Ray is not what is tested, starting it is most
of the work. All else is the product's: the searcher, the journal, the worker's class, measuring and training."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from ray import tune
from ray.tune.search import Searcher

from nas_sr.search import candidate
from nas_sr.search import tune as under_ray


@contextmanager
def without_ray() -> Iterator[None]:
    """Inside, searches evaluate one candidate after another here."""
    on_term, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(under_ray, "ray_cluster", nullcontext)
        patch.setattr(under_ray, "refuse_too_large", lambda cpus, gpus: None)
        patch.setattr(under_ray, "_at_once", lambda resources: 1)
        patch.setattr(under_ray, "tune", SimpleNamespace(**(vars(tune) | _PLAYED)))
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, on_term)
            torch.set_num_threads(threads)


class _Trainable(NamedTuple):
    """What `with_parameters` and `with_resources` make of a class."""

    kind: type[under_ray.Candidate]
    parameters: dict[str, Any]

    def worker(self, config: dict[str, Any]) -> under_ray.Candidate:
        """As a fresh process would have it."""
        candidate._target.cache_clear()
        made = self.kind.__new__(self.kind)
        made.setup(config, **self.parameters)
        return made


class _Tuner:
    """The calls that Tune makes, in Tune's order, with one worker that is used again and again."""

    def __init__(self, trainable: _Trainable, *, tune_config: tune.TuneConfig, run_config: tune.RunConfig) -> None:
        assert run_config.storage_path
        self._trainable, self._searcher = trainable, tune_config.search_alg

    def fit(self) -> None:
        worker: under_ray.Candidate | None = None
        number = 0
        while (config := self._searcher.suggest(f"trial {number}")) != Searcher.FINISHED:
            assert isinstance(config, dict)
            if worker is None:
                worker = self._trainable.worker(config)
            else:
                assert worker.reset_config(config)
            while not (result := worker.step())["done"]:
                self._searcher.on_trial_result(f"trial {number}", result)
            self._searcher.on_trial_complete(f"trial {number}", result)
            number += 1


_PLAYED = {
    "Tuner": _Tuner,
    "with_parameters": lambda kind, **parameters: _Trainable(kind, parameters),
    "with_resources": lambda trainable, resources: trainable,
}
