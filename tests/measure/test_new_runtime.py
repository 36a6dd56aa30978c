"""The recipe of docs/runtimes.md, followed: one module, one entry, one profile, and it is measured with."""

from __future__ import annotations

import importlib
import sys

import pytest
import yaml

from nas_sr.device_program import backends
from nas_sr.device_program.backends import RUNTIMES
from nas_sr.device_program.backends.base import CPU, Runtime
from nas_sr.families.imdeception.spec import ImdeceptionSpec
from nas_sr.measure import runner
from nas_sr.measure.all_runtimes import by_all_runtimes
from nas_sr.measure.latency_cache import cached_or_measured
from nas_sr.measure.profile import profile
from nas_sr.runtimes import runtime_checks
from tests.measure.conftest import CREDULOUS

MODULE = '''
"""A runtime of a person's own: here ONNX Runtime's interpreter without its optimisations."""

from __future__ import annotations

import shutil
import time
from functools import partial

import numpy
import onnxruntime

from .. import protocol
from ..image import random_image


def versions():
    return {"own-runtime": "1.0"}


def described(settings):
    return {"precision": settings.precision, "threads": settings.threads}


def build(onnx, engine, settings):
    shutil.copyfile(str(onnx.fp32), str(engine))
    return {"note": "nothing to build"}


def measure(engines, reference, settings, plan):
    loaders = [partial(_load, each, settings) for each in engines]
    return protocol.measure(loaders, partial(_load, reference, settings), plan)


def infer(engine, image, settings):
    session = _session(engine, settings)
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def _load(engine, settings):
    session = _session(engine, settings)
    image = random_image(session.get_inputs()[0].shape, numpy.float32)

    def run():
        start = time.perf_counter()
        session.run(None, {session.get_inputs()[0].name: image})
        return (time.perf_counter() - start) * 1e3

    return run


def _session(engine, settings):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(engine), options, providers=["CPUExecutionProvider"])
'''
ENTRY = 'RUNTIMES["own-runtime"] = Runtime("Own runtime", "onnxruntime", CPU, ("fp32",), "pip install own-runtime")'
PROFILE = {"extends": "cpu", "name": "cpu-own", "title": "own", "backends": ["own-runtime"], "threads": 1}


@pytest.fixture
def added(tmp_path, monkeypatch, changed_program):
    """Does the three steps, in this process and in the program that is sent to devices; the profile's path."""
    monkeypatch.setenv("NAS_SR_CACHE", str(tmp_path / "cache"))
    (runner.PROGRAM / "backends" / "own_runtime.py").write_text(MODULE)
    changed_program("backends/__init__.py", ENTRY)
    monkeypatch.setitem(
        RUNTIMES, "own-runtime", Runtime("Own runtime", "onnxruntime", CPU, ("fp32",), "pip install own")
    )
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(runner.PROGRAM / "backends")])
    size = {"lr_height": 16, "lr_width": 24, "protocol": CREDULOUS.model_dump(mode="json")}
    (tmp_path / "cpu-own.yaml").write_text(yaml.safe_dump({**PROFILE, **size}))
    yield str(tmp_path / "cpu-own.yaml")
    sys.modules.pop("nas_sr.device_program.backends.own_runtime", None)
    importlib.invalidate_caches()


def test_it_is_measured_with_and_listed_by_the_doctor(added):
    target = profile(added)
    assert target.device == "cpu"
    spec = ImdeceptionSpec(core=4, gidbs=2, depth=2)
    found = cached_or_measured(spec, target)
    assert (found.backend, found.precision, found.versions["own-runtime"]) == ("own-runtime", "fp32", "1.0")
    assert found.engine == {"note": "nothing to build"}
    assert cached_or_measured(spec, target) == found
    rows = by_all_runtimes(target, lambda each: cached_or_measured(spec, each))
    (row,) = (row for row in rows if row.backend == "own-runtime")
    assert row.latency is not None
    there = {name: {"lacks": "not here"} for name in RUNTIMES} | {"own-runtime": {"versions": {"own-runtime": "1.0"}}}
    (check,) = (check for check in runtime_checks(there) if check.name == "Own runtime")
    assert (check.status, check.found.split()[0]) == ("ok", "1.0")
