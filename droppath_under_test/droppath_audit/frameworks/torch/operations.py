"""Operations on torch tensors and modules that single checks need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.frameworks.base import Gradient, SecondOrder
from droppath_audit.targets.bound import reraise, theirs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from droppath_audit.frameworks.base import Layer
    from droppath_audit.frameworks.torch.tape import TorchTape


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
    checkpoints: Sequence[str] = ("use_reentrant=True", "use_reentrant=False")

    def tape(self) -> TorchTape:
        """Return what records and replaces the draws of a target; see ``core.tape``."""
        from droppath_audit.frameworks.torch.tape import TorchTape

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

    def second_order(
        self, layer: Layer, x: torch.Tensor, cotangent: torch.Tensor, direction: torch.Tensor
    ) -> SecondOrder:
        """Differentiate the gradient of ``layer`` once more; see ``core.target.Framework``."""
        import torch

        with torch.enable_grad():
            leaf, weight = (tensor.detach().clone().requires_grad_() for tensor in (x, cotangent))
            output = layer(leaf.clone(), training=True)
            if not isinstance(output, torch.Tensor) or not output.requires_grad:
                return SecondOrder(output, None, None, "the output does not require a gradient")
            with theirs():
                # Neither is a leaf, as inside a network: writing to a gradient in place is allowed there.
                gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
                    output, leaf, weight.clone(), create_graph=True, allow_unused=True
                )
            first = gradients[0]
            if first is None:
                return SecondOrder(output.detach(), None, None, "the graph does not reach x")
            if not first.requires_grad:
                return SecondOrder(output.detach(), None, None, "the gradient is not part of a graph")
            with theirs():
                by_x, by_cotangent = torch.autograd.grad(first, (leaf, weight), direction, allow_unused=True)
        return SecondOrder(output.detach(), by_x, by_cotangent, "")

    def checkpointed(self, layer: Layer, x: torch.Tensor, cotangent: torch.Tensor, how: str) -> Gradient:
        """Run forward, forget, recompute and run backward; see ``core.target.Framework``."""
        import torch
        from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

        # Undecorated: the decorator imports the compiler, which takes a second, to say that it is not to be used.
        bare = getattr(checkpoint, "__wrapped__", checkpoint)
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            # To the end: what stops a recomputation early is an exception, raised inside the target.
            with theirs(), set_checkpoint_early_stop(False):
                output = bare(
                    lambda branch: layer(branch, training=True), leaf.clone(), use_reentrant=how.endswith("True")
                )
            if not isinstance(output, torch.Tensor) or not output.requires_grad:
                return Gradient(output, None, "the output does not require a gradient")
            with theirs():
                # Not torch.autograd.grad, which reentrant checkpointing refuses.
                output.backward(cotangent)  # type: ignore[no-untyped-call]
        return Gradient(output.detach(), leaf.grad, "" if leaf.grad is not None else "the graph does not reach x")

    def fork_hazard(self, device: str) -> str:
        """Return why a forked process could not use the device: only the CPU survives a fork."""
        import torch

        # A process that has used an accelerator cannot use it in a fork, and one that has not would be slow to start.
        return "" if torch.device(device).type == "cpu" else f"a forked process cannot use {device}"

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

    def convert(self, layer: Any, dtype: str, device: str) -> None:
        """Convert a module with half() or to(), where it stands; see ``targets.bound.Bindable``."""
        import torch

        if not isinstance(layer, torch.nn.Module):
            raise NotApplicable("what is no module has no dtype to convert")
        layer.to(device)
        if dtype == "float16":
            layer.half()
        else:
            layer.to(getattr(torch, dtype))

    def stored(self, layer: Any) -> tuple[str, ...]:
        """Return the keys of the layer's state_dict; none for what is no module."""
        import torch

        return tuple(layer.state_dict()) if isinstance(layer, torch.nn.Module) else ()
