"""What of a GPU environment is here, what is missing, and how to get it: `python -m tests.gpu.here`.

Only the standard library is imported before a package is known to be there.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import warnings
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# What the suite imports itself; nas-sr's own dependencies come with it.
NEEDED = ("pytest", "torch", "optuna", "ray", "onnx", "onnxruntime", "pydantic", "skimage", "sklearn")
PRODUCTS = {
    "tensorrt": ("tensorrt", "TensorRT", "pip install 'nas-sr[tensorrt]'"),
    "tensorrt-rtx": ("tensorrt_rtx_bindings", "TensorRT for RTX", "pip install 'nas-sr[tensorrt-rtx]'"),
}
BINDINGS = {
    "cuda-python": (("cuda.bindings.runtime", "cuda.cudart"), "pip install cuda-python"),
    "pycuda": (("pycuda.driver",), "pip install pycuda, which needs the CUDA toolkit"),
}


def lacks() -> dict[str, str]:
    """What is missing, by name, each with its remedy; empty where all is there."""
    found = {
        "packages": _packages(),
        "driver": driver(),
        "torch": torch_with_cuda(),
        **{name: product(name) for name in PRODUCTS},
        **{name: binding(name) for name in BINDINGS},
    }
    return {name: text for name, text in found.items() if text}


def no_gpu() -> str:
    """Why nothing can run on a GPU here, with all else that is missing; "" where something can."""
    found = lacks()
    usable = not {"packages", "driver", "torch"} & found.keys()
    return "" if usable else "; ".join(found.values())


def _packages() -> str:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    remedy = "give a Python that has them, `make test-gpu PY=/path/to/python`, or run `make install`"
    return f"{sys.executable} lacks {', '.join(missing)}: {remedy}" if missing else ""


def driver() -> str:
    """What is wrong with the NVIDIA driver."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every GPU: unset it"
    from nas_sr.device_program.gpu import gpu

    if gpu().facts()["source"] is not None:
        return ""
    return "no NVIDIA driver answers: install it, or start the container with its GPUs (docker run --gpus all)"


def torch_with_cuda() -> str:
    """What is wrong with torch."""
    if _import_error("torch"):
        return ""  # said by `packages`
    import torch

    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA: install a CUDA build of it"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
    if there or driver():
        return ""
    why = f" ({str(said[0].message).splitlines()[0]})" if said else ""
    build = f"torch {torch.__version__} for CUDA {torch.version.cuda}"
    return f"{build} sees no GPU{why}: update the driver, or install a build for an older CUDA"


def product(name: str) -> str:
    """What is wrong with a product that builds engines."""
    module, title, remedy = PRODUCTS[name]
    error = _import_error(module)
    return f"{title} cannot be imported ({error}): {remedy}" if error else ""


def binding(name: str) -> str:
    """What is wrong with a Python binding of CUDA; one of them is enough."""
    modules, remedy = BINDINGS[name]
    errors = [_import_error(module) for module in modules]
    return f"{name} cannot be imported ({errors[0]}): {remedy}" if all(errors) else ""


def commit() -> str:
    """Of the checkout, with a mark where files differ from it; "" outside of git."""
    done = subprocess.run(
        ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def _import_error(module: str) -> str:
    try:
        importlib.import_module(module)
    except ImportError as error:
        return " ".join(str(error).split())
    except Exception as error:  # PyCUDA's own, where there is no driver
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> int:
    """Says what is missing; the exit status is 1 where nothing can run on a GPU."""
    for name, text in lacks().items():
        print(f"{name:12}  {text}", file=sys.stderr)
    if no_gpu():
        print("nothing here can run on a GPU, so nothing was tested", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
