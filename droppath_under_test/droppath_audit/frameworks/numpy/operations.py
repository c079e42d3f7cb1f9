"""Operations on NumPy arrays; see ``frameworks.base`` and ``frameworks.capabilities``."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from droppath_audit.frameworks.base import Framework, Tensor, TensorInfo
from droppath_audit.frameworks.capabilities import Forking, Generators, Keys, Layouts, Sources
from droppath_audit.frameworks.keys import KeySeeds


class Shared(np.random.Generator):
    """A generator over the bits of the global one, whose copies are over the same."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _shared, ()


def _shared() -> Shared:
    return Shared(np.random.get_bit_generator())  # type: ignore[attr-defined]


class NumpyFramework(Framework, Layouts, Generators, Keys, Sources, Forking):
    """Operations on arrays, and on the scalars that NumPy makes of arrays without axes."""

    # No tape: a Generator's methods are compiled, and what sees np.random alone would say that nothing is drawn.
    name = "numpy"
    library = "numpy"
    needed = True
    layouts = ("contiguous", "transposed", "sliced", "offset", "expanded", "reversed")

    def __init__(self) -> None:
        self._keys = KeySeeds()

    def dtypes(self, device: str) -> tuple[str, ...]:
        """Return the floating and complex dtypes whose values float64 holds: no long double that is wider."""
        found = {np.dtype(code) for code in np.typecodes["Float"] + np.typecodes["Complex"]}
        above_one = {dtype.name: self.tensor(1 + np.finfo(dtype).eps, dtype.name, device) for dtype in found}
        return tuple(sorted(name for name, value in above_one.items() if self.numpy(value) != 1))

    def tensor(self, values: Tensor, dtype: str, device: str) -> Tensor:
        """Return a contiguous array of these values, rounded to ``dtype``."""
        if device != "cpu":
            raise ValueError("it computes on cpu alone")
        with np.errstate(all="ignore"):  # NumPy warns of values that become infinite
            return np.array(values, dtype, order="C")

    def numpy(self, tensor: Tensor) -> Tensor:
        """Return the values as float64 or complex128."""
        return np.array(tensor, np.complex128 if self.info(tensor).dtype.startswith("complex") else np.float64)

    def bits(self, tensor: Tensor) -> Tensor:
        """Return a copy of the bytes of the values, in logical order."""
        return np.frombuffer(tensor.tobytes(), np.uint8)

    def info(self, tensor: Tensor) -> TensorInfo:
        """Return shape, dtype and device."""
        if not isinstance(tensor, (np.ndarray, np.generic)):
            raise TypeError(f"the target returned {type(tensor).__name__}, not an array")
        return TensorInfo(tensor.shape, tensor.dtype.name, "cpu")

    def add(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the sum."""
        return np.add(first, second)

    def multiply(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the product."""
        return np.multiply(x, mask)

    def rows(self, x: Tensor, numbers: Sequence[int]) -> Tensor:
        """Return these samples of x."""
        return x[np.array(numbers, np.intp)]

    def zeros_like(self, x: Tensor) -> Tensor:
        """Return zeros with x's strides: sums of arrays whose strides differ have those of neither."""
        return np.zeros_like(x)

    def seed(self, seed: int) -> None:
        """Seed the global generator, and what keys are split off from."""
        np.random.seed(seed if seed < 2**32 else [seed % 2**32, seed // 2**32])
        self._keys.seed(seed)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Restore the global generator, the keys and the handling of floating-point errors, which is silent inside."""
        state = np.random.get_state(legacy=False)
        with self._keys.scope(), np.errstate(all="ignore"):  # an audit feeds infinities on purpose
            try:
                yield
            finally:
                np.random.set_state(state)

    def generator_state(self, device: str) -> bytes:
        """Return the state of the global generator."""
        return json.dumps(np.random.get_state(legacy=False), default=lambda words: words.tolist()).encode()

    def key(self, device: str) -> np.random.Generator:
        """Return a fresh generator."""
        return np.random.default_rng(self._keys.next())

    def source(self) -> Shared:
        """Return a generator over the bits of the global one."""
        return _shared()

    def laid_out(self, values: Tensor, dtype: str, device: str, layout: str) -> Tensor:
        """Return an array of these values with strides as ``layout`` names them."""
        x = self.tensor(values, dtype, device)
        if layout == "transposed":
            return x.copy(order="F")
        if layout == "sliced":
            return np.stack([x, x], -1)[..., 0]
        if layout == "offset":
            return np.append(np.zeros(3, dtype), x)[3:].reshape(x.shape)
        if layout == "expanded" and x.ndim:
            return np.broadcast_to(x[..., :1], x.shape)
        return np.flip(np.flip(x).copy()) if layout == "reversed" and x.ndim else x

    def strides(self, tensor: Tensor) -> tuple[int, ...]:
        """Return the strides, in elements, that an elementwise operation on the array leaves; 0 for sizes up to 1."""
        y = np.positive(tensor)
        return tuple(stride // y.itemsize * (size > 1) for size, stride in zip(y.shape, y.strides, strict=True))

    def fork_hazard(self, device: str) -> str:
        """Return an empty text: a fork computes."""
        return ""

    def can_fork(self) -> bool:
        """Return True."""
        return True
