"""Names of calls and attributes of every framework that a reading of code needs to know."""

from __future__ import annotations

LAWS = {"Bernoulli", "Binomial", "Uniform", "RelaxedBernoulli"}
PRODUCTS = {"mul", "mul_", "multiply", "multiply_", "div", "div_", "divide", "divide_", "true_divide", "dot"}
SELECTIONS = {
    "where", "masked_fill", "masked_fill_", "masked_scatter", "masked_scatter_", "index_add", "index_add_",
    "index_copy", "index_copy_", "index_fill", "index_fill_", "select", "cond",
}  # fmt: skip
OF_A_TENSOR = {"shape", "device", "dtype", "ndim", "requires_grad", "is_cuda", "place", "rank"}
MEASURES = {
    "size", "dim", "numel", "len", "hasattr", "getattr", "isinstance", "type", "ndimension", "get_shape", "rank",
    "shape", "print", "ones_like", "zeros_like", "rand_like", "empty_like", "full_like", "new_empty", "new_zeros",
    "new_ones", "new_full", "new", "is_floating_point", "get_device",
}  # fmt: skip
