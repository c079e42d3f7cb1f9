"""Operations on torch tensors and modules that single checks need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import TargetRaised
from droppath_audit.targets.bound import reraise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from droppath_audit.core.target import Layer
    from droppath_audit.targets.torch_tape import TorchTape


FEED = """\
from torch.utils._python_dispatch import TorchDispatchMode
class Feed(TorchDispatchMode):
    drawn = []
    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        y = op(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in op.tags:
            self.drawn.append(y.numel())
            values = {values}
            return y if values is None else y.copy_(values.reshape(y.shape))
        return y
feed = Feed()"""


class TorchOperations:
    """The part of ``core.target.Framework`` that looks at memory, modes, gradients and modules."""

    surroundings: Sequence[str] = ("no_grad", "inference_mode", "autocast")

    def tape(self) -> TorchTape:
        """Return what records and replaces the draws of a target; see ``core.tape``."""
        from droppath_audit.targets.torch_tape import TorchTape

        return TorchTape()

    def version(self, tensor: torch.Tensor) -> int:
        """Return the tensor's version counter."""
        return tensor._version

    def strides(self, tensor: torch.Tensor) -> tuple[int, ...]:
        """Return the strides, in elements, that an elementwise operation on the tensor leaves; 0 for sizes up to 1."""
        import torch

        kept = torch.empty_like(tensor, memory_format=torch.preserve_format)
        return tuple(stride if size > 1 else 0 for size, stride in zip(kept.shape, kept.stride(), strict=True))

    def gradcheck(self, layer: Layer, x: torch.Tensor, seed: int) -> str:
        """Run torch's gradcheck with the mask of ``seed``; see ``core.target.Framework``."""
        import torch
        from torch.autograd.gradcheck import GradcheckError

        def replayed(leaf: torch.Tensor) -> Any:
            torch.manual_seed(seed)
            return layer(leaf.clone(), training=True)

        try:
            with torch.enable_grad():
                torch.autograd.gradcheck(replayed, (x.detach().clone().requires_grad_(),))
        except GradcheckError as error:
            return str(error).strip().splitlines()[0]
        except (KeyboardInterrupt, TargetRaised):
            raise
        except BaseException as error:
            reraise(error)
        return ""

    @contextmanager
    def surround(self, name: str, device: str) -> Iterator[None]:
        """Enter ``no_grad``, ``inference_mode`` or ``autocast``."""
        import torch

        if name == "autocast":
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                yield
        else:
            with getattr(torch, name)():
                yield

    def container(self, layer: Any) -> Any | None:
        """Return a module in which another one holds the layer; None for what is no module."""
        import torch

        return torch.nn.Sequential(torch.nn.Sequential(layer)) if isinstance(layer, torch.nn.Module) else None

    def stored(self, layer: Any) -> tuple[str, ...]:
        """Return the keys of the layer's state_dict; none for what is no module."""
        import torch

        return tuple(layer.state_dict()) if isinstance(layer, torch.nn.Module) else ()
