"""NumPy as source text; see ``frameworks.spelling``."""

from typing import ClassVar

from droppath_audit.frameworks.spelling import Spelling


class NumpySpelling(Spelling):
    """Expressions on arrays; there is one device, so none is named."""

    imports = ("import numpy as np",)
    own = "numpy."
    templates: ClassVar = {
        "seed": "np.random.seed({seed})",
        "ones": "np.ones({shape}, np.{dtype})",
        "random": "np.array(np.random.standard_normal({shape}), np.{dtype})",
        "literal": "np.array({values}, np.{dtype}).reshape({shape})",
        "info": "({tensor}.shape, {tensor}.dtype)",
        "key": "np.random.default_rng(np.random.randint(2**31))",
        "source": "type('Shared', (np.random.Generator,), {{'__deepcopy__': lambda self, memo: self}})"
        "(np.random.get_bit_generator())",
        "layout contiguous": "{tensor}",
        "layout transposed": "{tensor}.copy(order='F')",
        "layout sliced": "np.stack([{tensor}, {tensor}], -1)[..., 0]",
        "layout offset": "np.append(np.zeros(3, {tensor}.dtype), {tensor})[3:].reshape({tensor}.shape)",
        "layout expanded": "(np.broadcast_to({tensor}[..., :1], {tensor}.shape) if {tensor}.ndim else {tensor})",
        "layout reversed": "np.flip(np.flip({tensor}).copy())",
        # In bytes, and those that an elementwise operation leaves.
        "strides": "[stride for size, stride in zip({tensor}.shape, (+{tensor}).strides) if size > 1]",
    }

    def array(self, tensor: str, dtype: str = "") -> str:
        """Return the expression for a copy in float64 or complex128; ``tensor`` may be a call, and is made once."""
        if dtype:
            return f"np.array({tensor}, {'complex' if dtype.startswith('complex') else 'float'})"
        return f"np.array(value := {tensor}, np.result_type(value, np.float64))"
