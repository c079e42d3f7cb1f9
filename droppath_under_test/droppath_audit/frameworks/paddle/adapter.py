"""PaddlePaddle: layers, functions on its tensors, and factories of either, on the devices that it was built for."""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from droppath_audit.core.code import Code
from droppath_audit.core.errors import UsageError
from droppath_audit.frameworks.paddle.operations import PaddleFramework

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import CodeType, FunctionType

    from droppath_audit.targets.binding import Binding

SECOND = """\
weight = paddle.ones_like(y)
weight.stop_gradient = False
(first,) = paddle.grad([y], [x], [weight], create_graph=True)
second = paddle.grad([first], [x, weight], [paddle.ones_like(first)], allow_unused=True)"""


class PaddleAdapter:
    """Loads paddle targets; see ``adapters.Adapter``."""

    name = "paddle"
    order = 10

    def claims(self, obj: Any) -> bool:
        """Return whether the object is paddle's: a layer, or code that names paddle.

        A function does not say what it works on. The names in its code are looked up, then those in the code of the
        functions of its own package that it names, and so on: the first of paddle and torch to be met decides, and
        torch where both are. Where neither is met, paddle has it if its module holds something of paddle and nothing
        of torch. Nothing is imported: what paddle has not loaded cannot be its own. ``framework=`` in the SPEC
        overrides this.
        """
        if "paddle" not in sys.modules:
            return False
        if isinstance(obj, partial):
            return self.claims(obj.func)
        met = _frameworks([obj])
        functions = list(_functions(obj))
        level, seen = functions, set(functions)
        while level and not met:
            named = [(_home(function), value) for function in level for value in _named(function)]
            met = _frameworks(value for _, value in named)
            further = (inner for home, value in named if _home(value) == home for inner in _functions(value))
            level = [inner for inner in further if inner not in seen]
            seen |= set(level)
        met = met or _frameworks(value for function in functions for value in function.__globals__.values())
        return met == {"paddle"}

    def framework(self) -> PaddleFramework:
        """Return the operations on paddle tensors."""
        return PaddleFramework()

    def version(self) -> str:
        """Return paddle's version."""
        paddle = import_module("paddle")

        return str(paddle.__version__)

    def is_layer(self, obj: Any) -> bool:
        """Return whether the object is a layer."""
        paddle = import_module("paddle")

        return isinstance(obj, paddle.nn.Layer)

    def has_modes(self, cls: type) -> bool:
        """Return whether the class has train() and eval()."""
        return callable(getattr(cls, "train", None)) and callable(getattr(cls, "eval", None))

    def forward_parameters(self, cls: type) -> Mapping[str, inspect.Parameter]:
        """Return the parameters of forward, or of __call__ for a plain class."""
        paddle = import_module("paddle")

        called: Any = cls
        method = called.forward if issubclass(cls, paddle.nn.Layer) else called.__call__
        return dict(list(inspect.signature(method).parameters.items())[1:])

    def function_parameters(self, obj: Any) -> Mapping[str, inspect.Parameter]:
        """Return a function's parameters."""
        return inspect.signature(obj).parameters

    def devices(self, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return the dtypes of each device, by paddle's name for it: what torch calls ``cuda`` is ``gpu:0``.

        Raises:
            UsageError: If paddle has no such device, or none of it is here.
        """
        paddle = import_module("paddle")

        framework, found = self.framework(), {}
        for name in names:
            own = f"gpu{name[4:]}" if name.startswith("cuda") else name
            own = "gpu:0" if own == "gpu" else own
            try:
                framework.ones((1,), "float32", own)
            except Exception as error:  # ValueError or RuntimeError; AttributeError for a name that means nothing
                lines = [] if isinstance(error, AttributeError) else str(error).strip().splitlines()
                raise UsageError(
                    f"The device {name!r} is not available to paddle {paddle.__version__}: "
                    + (lines[0] if lines else "it knows no device of that name")
                ) from error
            found[own] = framework.dtypes(own)
        return found

    def code(self, binding: Binding, import_line: str) -> Code:
        """Return the templates for snippets in paddle."""
        make = binding.making_code("paddle.nn.Layer()", "paddle.nn.Identity()")
        nest = binding.mode_at in ("method", "init") and make
        return Code(
            imports=("import paddle", *import_line.splitlines()),
            keep=binding.probability is not None and binding.probability.meaning == "keep",
            inverted=binding.mode is not None and binding.mode.inverted,
            make=make,
            mode="layer.train() if {training} else layer.eval()" if binding.mode_at == "method" else "",
            nest="outer = paddle.nn.Sequential(paddle.nn.Sequential(layer))" if nest else "",
            nest_mode="outer.train() if {training} else outer.eval()" if nest else "",
            surroundings={"no_grad": "paddle.no_grad()", "autocast": "paddle.amp.auto_cast(dtype='bfloat16')"},
            call=binding.call_code("layer" if make else binding.name.replace(".", "_")),
            seed="paddle.seed({seed})",
            ones="paddle.ones({shape}, dtype='{dtype}').to({device})",
            random="paddle.randn({shape}).astype('{dtype}').to({device})",
            tensor="paddle.to_tensor({values}, dtype='{dtype}', place={device}).reshape({shape})",
            layouts={
                "transposed": "x = x.swapaxes(0, -1).contiguous().swapaxes(0, -1)",
                "sliced": "x = paddle.stack([x.flatten()] * 2, -1)[:, 0].view(x.shape)",
                "offset": "x = paddle.concat([paddle.zeros([3], x.dtype), x.flatten()])[3:].view(x.shape)",
            },
            track="x.stop_gradient = False",
            version="{tensor}.inplace_version",
            tracked="not y.stop_gradient",
            backward="y.sum().backward()",
            second=SECOND,
            checkpoints={
                how: f"paddle.distributed.fleet.utils.recompute(lambda x: {{call}}, x, {how})"
                for how in PaddleFramework.checkpoints
            },
            assign=f"layer.{binding.probability.name} = {{p}}" if nest and binding.probability else "",
            convert="layer.to(device={device}, dtype='{dtype}')" if nest else "",
        )


def _home(value: Any) -> str:
    """Return the top-level package that a value comes from, or an empty text."""
    module = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
    return module.partition(".")[0] if isinstance(module, str) else ""


def _frameworks(values: Iterable[Any]) -> set[str]:
    """Return which of paddle and torch the values, their classes and the bases of these come from."""
    homes: set[str] = set()
    for value in values:
        cls = value if inspect.isclass(value) else type(value)
        homes |= {_home(value), *(_home(base) for base in cls.__mro__)}
    return homes & {"paddle", "torch"}


def _functions(obj: Any) -> Iterator[FunctionType]:
    """Return the Python functions that an object consists of: itself, or what its class and the bases define."""
    plain = inspect.unwrap(getattr(obj, "__func__", obj)) if callable(obj) else obj
    if inspect.isfunction(plain):
        yield plain
        return
    for cls in (obj if inspect.isclass(obj) else type(obj)).__mro__:
        yield from (value for value in vars(cls).values() if inspect.isfunction(value))


def _named(function: FunctionType) -> list[Any]:
    """Return the values of the names in a function's code, of its module and of functions around it."""
    known = dict(function.__globals__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a cell that is still empty
            known[name] = cell.cell_contents
    names = [*_names(function.__code__), *function.__code__.co_freevars]
    return [known[name] for name in names if name in known]


def _names(code: CodeType) -> Iterator[str]:
    """Return the names in a function's code, those in functions inside it included."""
    yield from code.co_names
    for constant in code.co_consts:
        if inspect.iscode(constant):
            yield from _names(constant)


ADAPTER = PaddleAdapter()
