"""Options and arguments that several verbs have."""

from __future__ import annotations

import typer

from nas_sr.command_line import DEFAULT_REPORTS, DEFAULT_STUDIES, STUDIES_VARIABLE

ARCH_HELP = "A preset's name, a spec file, a bundle, or STUDY:TRIAL."
MODEL_HELP = "A bundle folder, a .safetensors, .pth, .ckpt or .onnx file, STUDY:TRIAL, or `bicubic`."

STUDIES = typer.Option(DEFAULT_STUDIES, "--studies", envvar=STUDIES_VARIABLE, help="Folder that holds the studies.")
REPORTS = typer.Option(DEFAULT_REPORTS, "--reports", help="Folder that holds the reports.")
NEW_EPOCH = typer.Option(
    False, "--new-epoch", help="A device or its software has changed: measure every latency on it again."
)

SCALE = typer.Option(4, "--scale", min=2, max=4, help="For bicubic; a network knows its own.")
RUNTIME = typer.Option("torch", "--runtime", help="What runs a bundle: torch, or onnxruntime for its model.onnx.")
DEVICE = typer.Option(None, "--device", help="For torch: cpu, cuda, cuda:1 ...  [default: a GPU if there is one]")
TILE = typer.Option(
    512, "--tile", min=32, help="LR pixels a side computed at once; less needs less memory and gives the same pixels."
)
LAYOUT = typer.Option(
    None, "--layout", help="Of an ONNX file's image, where the file leaves it open: nchw, or nhwc for channels last."
)
RANGE = typer.Option(
    None, "--range", metavar="WHITE", help="Value of white in an ONNX file's image: 1 or 255.  [default: 1]"
)


def lengths(text: str | None) -> tuple[int, ...]:
    """The steps in `--rungs`; none without it.

    Raises:
        UsageError: not whole numbers.
    """
    from nas_sr.errors import UsageError

    try:
        return tuple(int(part) for part in (text or "").split(",") if text)
    except ValueError:
        raise UsageError(f"--rungs {text}: expected steps such as 800,2400,8000") from None
