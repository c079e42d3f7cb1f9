"""NumPy as source text; see ``frameworks.spelling``."""

from droppath_audit.frameworks.spelling import Spelling

LAYOUTS = {
    "contiguous": "{x}",
    "transposed": "{x}.copy(order='F')",
    "sliced": "np.stack([{x}, {x}], -1)[..., 0]",
    "offset": "np.append(np.zeros(3, {x}.dtype), {x})[3:].reshape({x}.shape)",
    "expanded": "(np.broadcast_to({x}[..., :1], {x}.shape) if {x}.ndim else {x})",
    "reversed": "np.flip(np.flip({x}).copy())",
}


class NumpySpelling(Spelling):
    """Expressions on arrays; there is one device, so none is named."""

    imports = ("import numpy as np",)
    own = "numpy."

    def seed(self, seed: str) -> str:
        """Return the line that seeds the global generator."""
        return f"np.random.seed({seed})"

    def ones(self, shape: str, dtype: str, device: str) -> str:
        """Return the expression for an array of ones."""
        return f"np.ones({shape}, np.{dtype})"

    def random(self, shape: str, dtype: str, device: str) -> str:
        """Return the expression for an array of normal values."""
        return f"np.array(np.random.standard_normal({shape}), np.{dtype})"

    def literal(self, values: str, shape: str, dtype: str, device: str) -> str:
        """Return the expression for an array of the values in a flat list."""
        return f"np.array({values}, np.{dtype}).reshape({shape})"

    def array(self, tensor: str, dtype: str = "") -> str:
        """Return the expression for a copy in float64 or complex128; ``tensor`` may be a call, and is made once."""
        if dtype:
            return f"np.array({tensor}, {'complex' if dtype.startswith('complex') else 'float'})"
        return f"np.array(value := {tensor}, np.result_type(value, np.float64))"

    def info(self, tensor: str) -> str:
        """Return the expression for shape and dtype."""
        return f"({tensor}.shape, {tensor}.dtype)"

    def key(self, device: str) -> str:
        """Return the expression for a generator, seeded by the global one."""
        return "np.random.default_rng(np.random.randint(2**31))"

    def layout(self, tensor: str, layout: str) -> str:
        """Return the expression for the array with other strides."""
        return LAYOUTS[layout].format(x=tensor)

    def strides(self, tensor: str) -> str:
        """Return the expression for the strides, in bytes, that an elementwise operation leaves."""
        return f"[stride for size, stride in zip({tensor}.shape, (+{tensor}).strides) if size > 1]"
