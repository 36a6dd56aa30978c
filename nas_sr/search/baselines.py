"""Networks from elsewhere beside a study's front: measured on its target, scored on its validation images."""

from __future__ import annotations

from pathlib import Path

from nas_sr.data.image_sets import image_sets
from nas_sr.errors import UsageError, WorkError
from nas_sr.evaluate.evaluate import pack_sources
from nas_sr.evaluate.onnx_convention import convention_of
from nas_sr.evaluate.onnx_network import OnnxNetwork
from nas_sr.evaluate.onnx_upscaler import check_scale, whole_image_upscaler
from nas_sr.evaluate.upscalers import CannotUpscale
from nas_sr.evaluate.validation import bounded, mean_psnr_rgb
from nas_sr.image_format import Layout
from nas_sr.measure.latency_cache import cached_or_measured_file
from nas_sr.measure.profile import HardwareProfile
from nas_sr.records import Baseline
from nas_sr.search.latency_epochs import LatencyEpochs
from nas_sr.search.store import StudyStore
from nas_sr.space import read_spaces


def add_baseline(
    store: StudyStore,
    name: str,
    onnx: Path,
    profile: HardwareProfile,
    *,
    layout: Layout | None = None,
    value_range: int | None = None,
) -> Baseline:
    """Measures an ONNX file, scores it and keeps both in the study, for its report.

    Args:
        store: the study.
        name: what the report calls it; a file that is there already gets the new name.
        onnx: one RGB image of any size -> one that is the study's scale as large.
        profile: a target that the study has latencies for, at whose LR size it is measured.
        layout: of its image, where the file does not say it.
        value_range: the value of white, 1 or 255; None: found out (see convention_of).

    Raises:
        UsageError: not such a file, or the study has no latencies on that target.
        WorkError: it cannot upscale the study's validation images.
        MeasurementFailed: no figure.
    """
    if profile.name not in store.targets:
        raise UsageError(
            f"study '{store.folder.name}' has no latencies on {profile.name}, only on {', '.join(store.targets)}"
        )
    config = store.config
    scale = read_spaces(config.space).scale
    network = OnnxNetwork(onnx, layout)
    check_scale(network, scale, "as is compared here")
    images = image_sets(config.data, config.val, scale, config.training.largest_crop_lr)
    convention, note = convention_of(network, pack_sources(images.val), value_range)
    epoch = LatencyEpochs(store.folder, profile).current_or_begun()
    latency = cached_or_measured_file(onnx, profile, layout=layout).relative_to(epoch.reference_ms, epoch.id)
    looked_at = bounded(images.val, config.validation_megapixels)
    try:
        psnr_db = mean_psnr_rgb(whole_image_upscaler(network, convention), looked_at)
    except CannotUpscale as error:
        raise WorkError(f"{onnx}: a validation image of the study could not be scored: {error}") from None
    found = Baseline(
        name=name,
        file_digest=network.digest,
        psnr_db=psnr_db,
        latency=latency,
        convention=str(convention),
        note=note,
    )
    store.add_baseline(found)
    return found
