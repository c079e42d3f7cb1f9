"""PaddlePaddle: layers, functions on its tensors, and factories of either, on the devices that it was built for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from droppath_audit.frameworks.adapter import Adapter

if TYPE_CHECKING:
    from droppath_audit.frameworks.paddle.operations import PaddleFramework
    from droppath_audit.frameworks.spelling import Spelling


class PaddleAdapter(Adapter):
    """Loads paddle targets."""

    name = "paddle"
    packages = ("paddle",)

    def framework(self) -> PaddleFramework:
        """Return the operations on paddle tensors."""
        from droppath_audit.frameworks.paddle.operations import PaddleFramework

        return PaddleFramework()

    def spelling(self) -> Spelling:
        """Return paddle's operations as source text."""
        from droppath_audit.frameworks.paddle.spelling import PaddleSpelling

        return PaddleSpelling()

    def layer_types(self) -> tuple[type, ...]:
        """Return the class of layers."""
        return (self.library().nn.Layer,)

    def device_name(self, name: str) -> str:
        """Return paddle's name of a device: what torch calls ``cuda`` is ``gpu:0``."""
        own = f"gpu{name[4:]}" if name.startswith("cuda") else name
        return "gpu:0" if own == "gpu" else own


ADAPTER = PaddleAdapter()
