"""TensorBoard's files, read back as TensorBoard reads them."""

import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from nas_sr.families.network import build
from nas_sr.records import CurvePoint
from nas_sr.train.events import Message, Stepped, TrainingEvent, Validated
from nas_sr.train.samples import sample_crops
from nas_sr.train.tensorboard import TensorBoardLog
from tests.train.quick import SPEC, TWO_PHASES, Told, carried_out, demonstration, job


def events(folder: Path) -> Iterator[Event]:
    """TFRecord: length, its checksum, the event, its checksum."""
    for path in sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def _curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [
        (event.step, value.simple_value)
        for event in events(folder)
        for value in event.summary.value
        if value.tag == tag
    ]


def test_curves_and_crops_are_written(tmp_path: Path) -> None:
    board = TensorBoardLog(tmp_path, 0, steps=4, on_event=lambda event: pytest.fail(str(event)))
    for step in range(1, 5):
        board.on_event(Stepped(step, 1 / step, 1e-3, 25.0))
    crops = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    board.on_event(Validated(CurvePoint(4, 0.1, 25.5, 1.0), 26.0, crops))
    board.close()
    assert _curve(tmp_path, "loss") == [(step, pytest.approx(1 / step)) for step in range(1, 5)]
    assert _curve(tmp_path, "learning_rate") == [(step, pytest.approx(1e-3)) for step in range(1, 5)]
    assert _curve(tmp_path, "psnr_db/validation") == [(4, 25.5)]
    assert _curve(tmp_path, "psnr_db/best") == [(4, 26.0)]
    (png,) = [v.image.encoded_image_string for e in events(tmp_path) for v in e.summary.value if v.HasField("image")]
    shown = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert (shown[..., ::-1] == crops).all()


def test_long_training_is_thinned_out_by_averaging(tmp_path: Path) -> None:
    board = TensorBoardLog(tmp_path, 0, steps=40_000, on_event=print)
    for step in range(1, 9):
        board.on_event(Stepped(step, float(step), 1e-3, 25.0))
    board.close()
    assert _curve(tmp_path, "loss") == [(4, 2.5), (8, 6.5)]


def test_resumed_training_hides_what_was_written_of_later_steps(tmp_path: Path) -> None:
    for position in (0, 7):
        TensorBoardLog(tmp_path, position, steps=10, on_event=print).close()
    starts = [event.step for event in events(tmp_path) if event.session_log.status == SessionLog.START]
    assert starts == [0, 8]


def test_full_disk_ends_the_board_and_not_the_training(tmp_path: Path) -> None:
    told: list[TrainingEvent] = []
    board = TensorBoardLog(tmp_path, 0, steps=10, on_event=told.append)

    class Full:
        def write_event(self, event: Event) -> None:
            raise OSError(28, "No space left on device")

    board._writer = Full()
    board.on_event(Stepped(1, 0.1, 1e-3, 25.0))
    board.on_event(Validated(CurvePoint(1, 0.1, 25.0, 1.0), 25.0, None))
    board.close()
    assert told == [Message(f"{tmp_path}: no more TensorBoard events: No space left on device")]


def test_crops_show_bicubic_output_and_original() -> None:
    sets = demonstration()
    crops = sample_crops(build(SPEC, 0), sets.val)
    assert crops.shape == (3 * 128, 3 * 128, 3)
    bicubic, output, original = (crops[:, 128 * i : 128 * (i + 1)].astype(float) for i in range(3))
    height, width = sets.val.lr(0).shape[:2]
    top, left = (height - 32) // 2 * 4, (width - 32) // 2 * 4
    assert (original[:128] == sets.val.hr(0)[top : top + 128, left : left + 128]).all()
    assert 0 < np.abs(bicubic - output).mean() < np.abs(output - original).mean()  # it starts as an interpolator


@pytest.mark.parametrize("wanted", [True, False])
def test_crops_are_made_only_where_they_are_wanted(wanted: bool, tmp_path: Path) -> None:
    told = carried_out(job(tensorboard=wanted), Told(tmp_path / "c", stop_after=TWO_PHASES.phases[0].validate_every))
    assert [crops is not None for crops in told.crops] == [wanted, wanted]
