"""Fake devices: tensors that say they are on a device which is not here, and what passes between it and the CPU."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from droppath_audit.frameworks.capabilities import Capability

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from droppath_audit.frameworks.base import Tensor

DRAWN, MOVED, MET, STRAYED, READ = "drawn", "moved", "met", "strayed", "read"
"""Random numbers were drawn on the CPU · a tensor was copied from there to the device · met one of the device, which
raises · so did one of another device of the same type · the CPU waited for values of the device."""


@dataclass(frozen=True)
class Passage:
    """Something that code of a target did elsewhere than on the device of its input.

    Attributes:
        what: ``DRAWN``, ``MOVED``, ``MET``, ``STRAYED`` or ``READ``.
        op: The operation, by the framework's name.
        tensor: Dtype and shape of what it did that with, such as ``float32[16, 1]``.
        values: Of what was moved, as a text that is equal where they are; empty otherwise.
        named: Whether what was drawn came from a generator that the call was handed, and not from the default one.
    """

    what: str
    op: str
    tensor: str
    values: str = ""
    named: bool = False

    @property
    def sized(self) -> bool:
        """Whether the tensor has axes."""
        return not self.tensor.endswith("[]")


class FakeDevice(Protocol):
    """A device in whose context calls are made."""

    def ones(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """Return a tensor of ones that says it is on the device."""

    def watched(self) -> AbstractContextManager[list[Passage]]:
        """Return a context that yields the list to which every passage is added."""


class FakeDevices(Capability):
    """Tensors of devices that are not here.

    Attributes:
        fakes: Devices that can be had. Of a type of which a machine may have several it is the second one, while the
            first is the current one, on which is made what names the type alone.
    """

    lacking = "has no tensors of devices that are not here"
    fakes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def fake(self, device: str) -> AbstractContextManager[FakeDevice]:
        """Return a context in which tensors of the device can be had; no gradients are recorded in it.

        Operations on them are computed on the CPU. Tensors of the device and of the CPU meet only where a real device
        lets them, and otherwise raise what the framework raises.

        Raises:
            NotApplicable: If such a device is here, and so can be used itself.
        """
