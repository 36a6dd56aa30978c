"""Networks from elsewhere beside a study's front: measured on its target, scored on its validation images."""

from __future__ import annotations

from pathlib import Path

from nas_sr.data.image_sets import image_sets
from nas_sr.errors import UsageError
from nas_sr.evaluate.onnx_upscaler import whole_image_upscaler
from nas_sr.evaluate.validation import bounded, mean_psnr_rgb
from nas_sr.latency.latency_cache import cached_or_measured_file
from nas_sr.latency.measure import file_digest
from nas_sr.latency.profile import HardwareProfile
from nas_sr.records import Competitor
from nas_sr.search.latency_epochs import LatencyEpochs
from nas_sr.search.store import StudyStore
from nas_sr.space import read_space


def add_competitor(store: StudyStore, name: str, onnx: Path, profile: HardwareProfile) -> Competitor:
    """Measures an ONNX file, scores it and keeps both in the study, for its report.

    Args:
        store: the study.
        name: what the report calls it; a file that is there already gets the new name.
        onnx: one fp32 image (1, 3, h, w) of any size -> one that is the study's scale as large.
        profile: a target that the study has latencies for, at whose LR size it is measured.

    Raises:
        UsageError: not such a file, or the study has no latencies on that target.
        MeasurementFailed: no figure.
    """
    if profile.name not in store.targets:
        raise UsageError(
            f"study '{store.folder.name}' has no latencies on {profile.name}, only on {', '.join(store.targets)}"
        )
    config = store.config
    scale = read_space(config.space).scale
    upscaler = whole_image_upscaler(onnx, scale)
    epoch = LatencyEpochs(store.folder, profile).current_or_begun()
    latency = cached_or_measured_file(onnx, profile).relative_to(epoch.reference_ms, epoch.id)
    images = image_sets(config.data, config.val, scale, max(phase.crop_lr for phase in config.training.phases))
    psnr_db = mean_psnr_rgb(upscaler, bounded(images.val, config.validation_megapixels))
    found = Competitor(name=name, file_digest=file_digest(onnx), psnr_db=psnr_db, latency=latency)
    store.add_competitor(found)
    return found
