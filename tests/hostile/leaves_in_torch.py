"""Mischief with what all users of torch in a process share."""

from __future__ import annotations

import torch

from hostile import hostile

RAND = torch.rand


@hostile(every_call=True, DP505="the default dtype was torch.float32 and is torch.float64")
def changes_default_dtype() -> None:
    """Makes float64 the default."""
    torch.set_default_dtype(torch.float64)


@hostile(every_call=True, DP505="the default device")
def changes_default_device() -> None:
    """Makes another device the default."""
    torch.set_default_device("meta")


@hostile(every_call=True, DP505="thread")
def changes_threads() -> None:
    """Lets torch compute in three threads."""
    torch.set_num_threads(3)


@hostile(every_call=True, DP505="determin")
def becomes_deterministic() -> None:
    """Switches deterministic algorithms on."""
    torch.use_deterministic_algorithms(True)


@hostile(every_call=True, DP505="the arithmetic of floats")
def flushes_to_zero() -> None:
    """Flushes numbers without a leading one to zero."""
    torch.set_flush_denormal(True)


@hostile(every_call=True, DP505="grad")
def stops_gradients() -> None:
    """Switches gradients off for everybody."""
    torch.set_grad_enabled(False)


@hostile(every_call=True, DP505="torch.rand is another function")
def replaces_rand() -> None:
    """Replaces the generator by one that gives zeros."""
    torch.rand = lambda *shape, **_: torch.zeros(*shape)


@hostile(every_call=True, DP505="torch.Tensor.__mul__ is another function")
def replaces_multiplication() -> None:
    """Replaces multiplication by one that forgets a factor."""
    torch.Tensor.__mul__ = lambda self, _: self


@hostile(every_call=True, DP505="hook")
def hooks_every_module() -> None:
    """Adds a hook to every module there is."""
    torch.nn.modules.module.register_module_forward_hook(lambda *_: None)
