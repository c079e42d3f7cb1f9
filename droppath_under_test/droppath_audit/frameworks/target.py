"""A target that can be driven, and its layers: structural types, no code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from droppath_audit.core.dialect import Dialect
    from droppath_audit.frameworks.base import Framework, Tensor
    from droppath_audit.frameworks.own_code import OwnCode
    from droppath_audit.frameworks.settings import Change
    from droppath_audit.frameworks.way import Way


class Manners(Protocol):
    """What others do with a layer beside calling it.

    Raises:
        TargetRaised: Whatever the implementation raises, in any method.
    """

    def unchained(self) -> tuple[str, ...]:
        """Return the methods that switch its mode and return something else than the layer."""

    def hook(self) -> None:
        """Have functions of others run before and after its calls."""

    def missed(self) -> tuple[str, ...]:
        """Return the names of those that have not run."""

    def functional(self, x: Tensor) -> Tensor:
        """Return what it makes of x, in its mode, when it is called with its parameters as an argument.

        Raises:
            NotApplicable: If it is called otherwise than with x, or the framework refuses that.
        """

    def mark(self) -> None:
        """Give it an attribute."""

    def marked(self) -> bool:
        """Return whether it has that attribute."""


class Layer(Protocol):
    """One instance of the target with its drop_prob fixed.

    Raises:
        TargetRaised: Whatever the implementation raises, in any method.
    """

    def __call__(self, x: Tensor, *, training: bool) -> Tensor:
        """Return what the layer makes of the branch output ``x``; a residual form is given a shortcut of zeros."""

    def with_shortcut(self, x: Tensor, shortcut: Tensor, *, training: bool) -> Tensor:
        """Return the output of a residual form for the branch output ``x`` and a shortcut of the same shape."""

    def nest(self) -> bool:
        """Put this layer two containers deep and switch its mode at the outer one; False where that has no meaning."""

    def copied(self, how: str) -> Layer:
        """Return a copy of this layer, made by ``deepcopy`` or ``pickle``.

        Raises:
            NotApplicable: If there is no object to copy, or none that could be.
        """

    def as_it_stands(self) -> Layer:
        """Return the same layer, whose calls find the mode that it is in, whatever they ask for.

        Raises:
            NotApplicable: If it has no mode.
        """

    def manners(self) -> Manners:
        """Return what others may do with the layer.

        Raises:
            NotApplicable: If there is no layer, or the framework has no hooks.
        """

    def set_drop_prob(self, drop_prob: float) -> None:
        """Assign to the attribute that is named as the probability argument.

        Raises:
            NotApplicable: If there is no such attribute.
        """

    def convert(self, dtype: str, device: str) -> None:
        """Convert the layer, where it stands, to a dtype and device, as a model that holds it is converted.

        Raises:
            NotApplicable: If there is no layer to convert, or the framework has no such conversion.
        """

    def stored(self) -> tuple[str, ...]:
        """Return the names of what the layer would write into a checkpoint."""

    def first_tensor(self, x: Tensor) -> int | str | None:
        """Return where the first tensor is in what a call in training returns; None where nothing is to be chosen."""

    def numbers(self) -> tuple[str, ...]:
        """Return the names of the floating numbers that the layer stores; none for what is no layer."""

    def holds(self) -> tuple[str, ...]:
        """Return the layers inside whose classes are called like layers that drop paths, each with its place."""

    def computed(self) -> int:
        """Return for how many samples, in all calls so far, the branch was run that a wrapping layer was handed."""

    def text(self) -> str:
        """Return the layer's repr."""


class Target(Protocol):
    """An implementation under test made drivable through one call."""

    dialect: Dialect
    fixed_shape: tuple[int, ...] | None
    evaluates: bool
    sizes: tuple[int, ...]
    """Whole numbers that the SPEC gives as arguments, one of which may be a number of channels."""
    form_open: bool
    """Whether it runs its branch itself, and a call has to show whether it adds the shortcut."""
    runs_branch: bool
    """Whether it is given the branch as a function or layer, and calls it itself."""
    output: int | str | None
    """Which of several outputs is audited, as ``output=`` says it, or ``NUMBER``; None where there is one tensor."""
    says_mask: bool
    """Whether its name says that what it returns is the mask."""
    follows: bool
    """Whether its layers are converted to x's dtype and device."""
    keyed: bool
    """Whether its randomness comes from a key that every call is given."""
    apart: bool
    """Whether a call that was given several tensors has not treated them alike."""
    index: str
    """Item that would say which layer of a stack it is, without its value; empty where there is none."""
    default: tuple[Any, ...]
    """The drop_prob that its constructor takes where it is told none; empty where it must be told."""
    way: Way | None
    """How its calls run; None for as it is written."""
    left_at_import: tuple[Change, ...]
    """What its import changed in the process."""

    @property
    def framework(self) -> Framework:
        """Operations on the target's tensors."""

    def declaring(self, **fields: str) -> Target:
        """Return the same target with other fields of its dialect."""

    def prepared(self, **fields: Any) -> Target:
        """Return the same target with other fields of its binding: what calls have shown of it."""

    def executed(self, variant: str) -> Target:
        """Return the same target, whose calls run in a way of its framework (``Facts.variants``), or as it is written.

        Raises:
            NotApplicable: If the framework has no such way.
        """

    def untold(self) -> Target:
        """Return the same target, whose constructor is not told the probability."""

    def at(self, index: int) -> Target:
        """Return the layer of this index in a stack."""

    def can_be_given(self, shape: tuple[int, ...]) -> bool:
        """Return whether samples of this shape (B, ...) can be arranged as it takes them, whatever it refuses."""

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Return whether samples of this shape can be given to it, and have no rank that calls have shown refused."""

    def own_code(self) -> OwnCode:
        """Return what is known of its own code."""

    def is_probability(self, name: str) -> bool:
        """Return whether something that a layer stores is the probability, by its name."""

    def make(self, drop_prob: float) -> Layer:
        """Return a fresh instance for this drop_prob.

        Raises:
            TargetRaised: Whatever its constructor raises.
        """
