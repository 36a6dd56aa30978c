"""What the backends name of TensorRT's Python interface exists in its real bindings, from 8.6 to 11.

The bindings are small wheels. Their libraries are not to be had: empty ones with the right symbols stand in for them,
so that classes and enums can be read though nothing can be run.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import nas_sr
from nas_sr.device_program import nvinfer
from nas_sr.device_program.backends import RUNTIMES

PACKAGE = Path(nas_sr.__file__).parents[1]
SOURCES = [*Path(nvinfer.__file__).parent.glob("*.py"), PACKAGE / "nas_sr/device_program/backends/tensorrt.py"]

# Version -> package, and which of the names that code asks for before it uses them are there.
ALWAYS = {"builder_optimization_level", "execute_async_v3", "UINT8"}
WEAKLY_TYPED = {"EXPLICIT_BATCH", "FP16"}
NAMED_NODES = {"node_name", "node_operator"}
MEMORY, MEMORY_V2 = {"device_memory_size"}, {"device_memory_size_v2"}
VERSIONS = {
    "8.6.1": ("tensorrt-bindings", ALWAYS | WEAKLY_TYPED | MEMORY),
    "10.0.1": ("tensorrt-cu12-bindings", ALWAYS | WEAKLY_TYPED | NAMED_NODES | MEMORY),
    "10.16.1.11": ("tensorrt-cu13-bindings", ALWAYS | WEAKLY_TYPED | NAMED_NODES | MEMORY | MEMORY_V2),
    "11.4.0.106": ("tensorrt-cu13-bindings", ALWAYS | NAMED_NODES | MEMORY_V2),
}

# What a variable or attribute of that name holds, in all of SOURCES.
CLASS_OF = {
    "builder": "Builder",
    "config": "IBuilderConfig",
    "context": "IExecutionContext",
    "_engine": "ICudaEngine",
    "engine": "ICudaEngine",
    "error": "ParserError",
    "get_input()": "ITensor",
    "inspector": "EngineInspector",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "_runtime": "Runtime",
    "runtime": "Runtime",
    "serialized": "IHostMemory",
    "get_timing_cache()": "ITimingCache",
}
# Variables of the same name that are ours.
OURS = {("run.py", "engine"), ("tensorrt.py", "engine")}


def _holder(node: ast.expr) -> str | None:
    """How CLASS_OF calls what stands before a dot."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return f"{_holder(node.value)}[]"
    if isinstance(node, ast.Call):
        return f"{_holder(node.func)}()"
    return None


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("trt", "tensorrt")


def _names() -> tuple[set[str], set[str]]:
    """ "Class.member" and "Class" for everything that is used; and the names that code asks for first."""
    used, asked = set(), set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("hasattr", "getattr")
            ):
                asked.add(node.args[1].value)
            if not isinstance(node, ast.Attribute):
                continue
            inner = node.value
            if _is_module(inner):
                used.add(node.attr)
            elif isinstance(inner, ast.Attribute) and _is_module(inner.value):
                used.add(f"{inner.attr}.{node.attr}")
            elif (holder := _holder(inner)) in CLASS_OF and (path.name, holder) not in OURS:
                used.add(f"{CLASS_OF[holder]}.{node.attr}")
    return used, asked


USED, ASKED = _names()


def test_the_names_were_found():
    """Else the other tests check nothing: one name of each class, and as many as the backends are known to use."""
    assert {name.split(".")[0] for name in USED} >= set(CLASS_OF.values())
    assert {
        "Builder.build_serialized_network",
        "IBuilderConfig.set_memory_pool_limit",
        "IExecutionContext.execute_async_v3",
        "ICudaEngine.get_tensor_mode",
        "LayerInformationFormat.JSON",
        "IProfiler",
        "ITimingCache.serialize",
        "ITensor.shape",
    } <= USED
    assert set().union(*(present for _package, present in VERSIONS.values())) == ASKED
    assert "tensorrt" in RUNTIMES


PROBE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import tensorrt_bindings as trt
sys.modules["tensorrt"] = trt
from nas_sr.device_program.backends import tensorrt as backend
from nas_sr.device_program.nvinfer import build
from nas_sr.device_program.nvinfer import log
from nas_sr.device_program.nvinfer import run
asked = json.load(sys.stdin)
def has(name):
    holder, _, member = name.partition(".")
    return hasattr(trt, holder) and (not member or hasattr(getattr(trt, holder), member))
def everywhere(name):
    return any(hasattr(getattr(trt, holder), name) for holder in asked["holders"] if hasattr(trt, holder))
logger = log.new_log(trt)
logger.log(trt.ILogger.ERROR, "an error")
logger.log(trt.ILogger.WARNING, "a warning")
logger.log(trt.ILogger.VERBOSE, "Layers: some")
try:
    backend.versions()
except Exception as error:
    failure = str(error)
print(json.dumps({
    "version": trt.__version__,
    "missing": [name for name in asked["used"] if not has(name)],
    "present": [name for name in asked["asked"] if everywhere(name)],
    "flags": build.network_flags(trt),
    "weakly_typed": build.weakly_typed(trt),
    "named": build.named(trt),
    "log": [logger.errors, logger.warnings, logger.layers],
    "failure": failure,
}))
"""


@pytest.fixture(scope="module", params=VERSIONS)
def bindings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict]:
    """A version, and what a process that imports its bindings finds there."""
    version = request.param
    for program in ("gcc", "nm", "readelf"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} to make stand-ins for TensorRT's libraries")
    folder = tmp_path_factory.mktemp("bindings")
    _download(f"{VERSIONS[version][0]}=={version}", folder)
    _stand_ins(next(folder.glob("tensorrt_bindings/tensorrt*.so")), folder / "lib")
    holders = sorted({name.split(".")[0] for name in USED})
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        input=json.dumps({"used": sorted(USED), "asked": sorted(ASKED), "holders": holders}),
        env={**os.environ, "PYTHONPATH": f"{folder}:{PACKAGE}", "LD_LIBRARY_PATH": str(folder / "lib")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return version, json.loads(done.stdout.splitlines()[-1])


def _download(requirement: str, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"]
    done = subprocess.run([*pip, str(folder), requirement], capture_output=True, text=True, timeout=120, check=False)
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr[-200:])
        pytest.skip(f"pip cannot fetch {requirement}: {reason}")
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(folder)


def _stand_ins(module: Path, folder: Path) -> None:
    """Libraries of the names that the module needs, with every symbol that it takes from anywhere."""
    folder.mkdir()
    needed = subprocess.run(["readelf", "-d", str(module)], capture_output=True, text=True, check=True).stdout
    symbols = subprocess.run(["nm", "-D", "--undefined-only", str(module)], capture_output=True, text=True, check=True)
    # Those of the system's libraries carry a version behind an @.
    names = re.findall(r"^ +U ([A-Za-z0-9_]+)$", symbols.stdout, re.MULTILINE)
    source = folder / "symbols.c"
    source.write_text("".join(f"int {name}(void) {{ return 0; }}\n" for name in names))
    for library in re.findall(r"\[(libnv[a-z_]+\.so\.\d+)\]", needed):
        gcc = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{library}", "-o", str(folder / library), str(source)]
        subprocess.run(gcc, check=True, capture_output=True)


def test_everything_that_is_used_exists(bindings):
    version, found = bindings
    assert found["version"].startswith(version[:4])
    assert [name for name in found["missing"] if name.split(".")[-1] not in ASKED] == []


def test_what_versions_differ_in_is_known(bindings):
    version, found = bindings
    assert set(found["present"]) == VERSIONS[version][1]
    # Explicit batch is the flag of value 0; version 11 has no flag, and takes types from the file alone.
    major = int(version.split(".")[0])
    assert found["flags"] == (1 if major < 11 else 0)
    assert found["weakly_typed"] == (major < 11)
    assert found["named"] == ["TensorRT", found["version"]]


def test_our_logger_is_one_of_theirs(bindings):
    assert bindings[1]["log"] == [["an error"], ["a warning"], "Layers: some"]


def test_without_a_gpu_the_backend_says_what_is_missing(bindings):
    assert re.search(r"no Python binding of CUDA|finds no GPU to use", bindings[1]["failure"])
