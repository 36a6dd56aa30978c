"""Entry point: gathers the verbs and turns every bad end into one line and an exit status."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer
from typer.exceptions import TyperException

import nas_sr
from nas_sr.cli import bench, data, hw, space, supernet
from nas_sr.cli.audit import audit
from nas_sr.cli.describe import describe
from nas_sr.cli.doctor import doctor
from nas_sr.cli.evaluate import evaluate
from nas_sr.cli.export import export
from nas_sr.cli.logs import logs
from nas_sr.cli.measure import measure
from nas_sr.cli.report import report
from nas_sr.cli.retarget import retarget
from nas_sr.cli.search import search
from nas_sr.cli.show import show
from nas_sr.cli.train import train
from nas_sr.cli.upscale import upscale
from nas_sr.cli.verify import verify
from nas_sr.device_program.cores import cpu_quota, physical_cores
from nas_sr.errors import UsageError, WorkError

_INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"nas-sr {nas_sr.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """Searches super-resolution networks for the device they will run on: PSNR against measured latency.

    The main job, and what follows it:

    \b
        nas-sr search --hw cpu --budget 12
        nas-sr report cpu-imdeception_x4
        nas-sr export cpu-imdeception_x4 --knee
        nas-sr train bundles/cpu-imdeception_x4-7 --steps 2000
        nas-sr upscale bundles/cpu-imdeception_x4-7 photo.png large.png
    """


for verb in (
    search,
    retarget,
    audit,
    report,
    show,
    export,
    verify,
    train,
    evaluate,
    upscale,
    measure,
    describe,
    logs,
    doctor,
):
    app.command(verb.__name__)(verb)
for group, module in {"data": data, "hw": hw, "space": space, "supernet": supernet, "bench": bench}.items():
    app.add_typer(module.app, name=group)


def main() -> None:
    """Runs the verb; exit status 0 done, 1 the work failed, 2 the call or a config was wrong, 130 interrupted."""
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="surrogateescape")  # file names may hold any bytes
    if cpu_quota() is not None:  # torch counts processors without looking at quotas
        os.environ.setdefault("OMP_NUM_THREADS", str(physical_cores()))
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one verb and gives its exit status."""
    try:
        status = app(arguments, standalone_mode=False)
    except UsageError as error:
        return _fail(str(error), 2)
    except TyperException as error:
        return _fail(error.format_message(), 2)
    except WorkError as error:
        return _fail(str(error), 1)
    except BrokenPipeError:  # the reader of our output is gone, as with `| head`
        sys.stderr.close()
        return 1
    except OSError as error:
        return _fail(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    if status == _INTERRUPTED:  # typer's form of KeyboardInterrupt
        return _fail("interrupted; the state is kept", _INTERRUPTED)
    return status if isinstance(status, int) else 0


def _fail(text: str, status: int) -> int:
    print(f"nas-sr: {' '.join(line.strip() for line in text.splitlines())}", file=sys.stderr)
    return status
