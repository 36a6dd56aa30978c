"""The families' networks as an architecture of spandrel, which other tools load networks with.

    import nas_sr.spandrel_architecture

    nas_sr.spandrel_architecture.install()
    model = spandrel.ModelLoader().load_from_file("4x-imdeception-c8.safetensors")

Needs `pip install 'nas-sr[spandrel]'`. Compact networks with the enlarged image added are spandrel's own "RealESRGAN
Compact" and load without this.
"""

from __future__ import annotations

import re
from typing import Any

from spandrel import MAIN_REGISTRY, Architecture, ArchRegistry, ArchSupport, ImageModelDescriptor, ModelTiling
from torch import Tensor

from nas_sr.errors import UsageError
from nas_sr.families.marks import MARK, marked_network
from nas_sr.families.network import FamilyNetwork, empty
from nas_sr.families.registry import family_of
from nas_sr.families.torch_file import NotLoadable

ID = "nas-sr"
# Of IMDeception under our names and under the published ones; spandrel sees flat dictionaries.
_SIGN = re.compile(r"gidbs\.0\.gblocks\.0\.grouped\.weight|block1(_shal)?\.conv0(_shal)?\.conv0\.(.*\.)?weight")


class NasSrArchitecture(Architecture[FamilyNetwork]):
    """Networks that spandrel does not know by itself: recognised by their keys, everything else derived from shapes and
    from the mark beside the weights (see nas_sr.families.marks)."""

    def __init__(self) -> None:
        super().__init__(id=ID, name="nas-sr", detect=_detect)

    def load(self, state_dict: dict[str, Any]) -> ImageModelDescriptor[FamilyNetwork]:
        """The network, with its weights.

        Raises:
            ValueError: these weights are no whole network, or do not tell which.
        """
        try:
            spec, state = marked_network(state_dict)
        except (NotLoadable, UsageError) as error:
            raise ValueError(f"not a network of nas-sr: {error}") from error
        # Attention sees the windows of the image that it is given, so tiles that begin anywhere change pixels.
        whole = family_of(spec).layers(spec).step > 1
        return ImageModelDescriptor(
            empty(spec),
            state,
            architecture=self,
            purpose="SR",
            tags=[spec.family, spec.label()],
            supports_half=True,
            supports_bfloat16=True,
            scale=spec.scale,
            input_channels=3,
            output_channels=3,
            tiling=ModelTiling.DISCOURAGED if whole else ModelTiling.SUPPORTED,
        )


def install(registry: ArchRegistry = MAIN_REGISTRY) -> None:
    """Makes spandrel's loaders know the architecture; a second call changes nothing."""
    registry.add(ArchSupport.from_architecture(NasSrArchitecture(), before=("Compact",)), ignore_duplicates=True)


def _detect(state_dict: dict[str, Tensor]) -> bool:
    return any(name == MARK or _SIGN.fullmatch(name) for name in state_dict)
