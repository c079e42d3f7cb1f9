"""Small sound layers, one for each way in which a DropPath is constructed, told its mode and called."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from typing import Optional

import torch
from torch import nn


def drop(x, drop_prob, training=True, shape=None, divide=True):
    if not training or drop_prob == 0.0:
        return x
    keep_prob = 1.0 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1) if shape is None else shape
    kept = torch.where(torch.rand(shape, dtype=torch.float64) < keep_prob, x, torch.zeros_like(x))
    return kept / keep_prob if divide and keep_prob > 0.0 else kept


# Classes


class ByDropProb(nn.Module):
    def __init__(self, drop_prob=0.0):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop(x, self.drop_prob, self.training)


class ByP(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        return drop(x, self.p, self.training)


class ByUnknownName(nn.Module):
    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def forward(self, x):
        return drop(x, 1.0 - self.strength, self.training)


class WithWidth(nn.Module):
    def __init__(self, width, depth, drop_prob=0.0):
        super().__init__()
        assert (width, depth) == (64, "deep")
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop(x, self.drop_prob, self.training)


class LayerOfAStack(nn.Module):
    def __init__(self, drop_rate, layer_idx, num_layers):
        super().__init__()
        self.p = drop_rate * layer_idx / (num_layers - 1)

    def forward(self, x):
        return drop(x, self.p, self.training)


class AddsPair(ByDropProb):
    def forward(self, inputs):
        shortcut, residual = inputs
        return shortcut + drop(residual, self.drop_prob, self.training)


class HandsItOn(ByDropProb):
    def forward(self, *args, **kwargs):
        return self.call(*args, **kwargs)

    def call(self, x, training=None):
        return drop(x, self.drop_prob, self.training if training is None else training)


class OnlyForward:
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob

    def forward(self, x, training):
        return drop(x, self.drop_prob, training)


class DropFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, drop_prob, training=True):
        ctx.keep_prob = 1.0 - drop_prob if training else 1.0
        if ctx.keep_prob == 1.0:
            return x.clone()
        ctx.kept = torch.rand((len(x),) + (1,) * (x.ndim - 1), dtype=torch.float64) < ctx.keep_prob
        return torch.where(ctx.kept, x, torch.zeros_like(x)) / (ctx.keep_prob or 1.0)

    @staticmethod
    def backward(ctx, gradient):
        if ctx.keep_prob == 1.0:
            return gradient, None, None
        return torch.where(ctx.kept, gradient, torch.zeros_like(gradient)) / (ctx.keep_prob or 1.0), None, None


class Control:
    def __init__(self, drop_rate=0.0, name=""):
        self.drop_rate = drop_rate


class ByControl(nn.Module):
    def __init__(self, control: Control):
        super().__init__()
        self.control = control

    def forward(self, x):
        return drop(x, self.control.drop_rate, self.training)


class OnParts(nn.Sequential):
    def __init__(self, *layers, drop_path=0.0):
        super().__init__(*layers)
        self.drop_path = drop_path

    def forward(self, x):
        return x + drop(super().forward(x), self.drop_path, self.training)


class SetLater(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = 0.0

    def set_drop_prob(self, value):
        self.p = value

    def forward(self, x):
        return drop(x, self.p, self.training)


class OneOfRates(nn.Module):
    def __init__(self, drop_rates, index):
        super().__init__()
        self.p = drop_rates[index]

    def forward(self, x):
        return drop(x, self.p, self.training)


class FromMapping(ByDropProb):
    def forward(self, batch):
        return {**batch, "features": drop(batch["features"], self.drop_prob, self.training)}


class OnlyMethod:
    def __init__(self, rate):
        self.rate = rate

    def apply(self, x, train):
        return drop(x, self.rate, train)


class BySections(ByDropProb):
    def __init__(self, cfg):
        assert cfg.model.width
        super().__init__(cfg.model.drop_path_rate)


class PositionalOnly(nn.Module):
    def __init__(self, width=8, drop_prob=0.0, /, depth=1):
        super().__init__()
        assert (width, depth) == (8, 2)
        self.drop_prob = drop_prob

    def forward(self, x, /):
        return drop(x, self.drop_prob, self.training)


class AnyArguments(nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        assert not args
        self.drop_prob = kwargs["drop_prob"]

    def forward(self, *args, **kwargs):
        assert not kwargs
        return drop(*args, self.drop_prob, self.training)


class StochasticDepth(nn.Module):
    def __init__(self, p: float, mode: str):
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input):  # noqa: A002 - torchvision's signature
        return stochastic_depth(input, self.p, self.mode, self.training)


class Scaling(nn.Module):
    def __init__(self, drop_prob: float = 0.0, scale_by_keep: bool = True):
        super().__init__()
        self.drop_prob = drop_prob
        self.scale_by_keep = scale_by_keep

    def forward(self, x):
        return drop(x, self.drop_prob, self.training, divide=self.scale_by_keep)


class OriginalPaper(ByDropProb):
    def forward(self, x):
        if not self.training:
            return x * (1.0 - self.drop_prob)
        return drop(x, self.drop_prob, divide=False)


class ForwardTakesProbability(nn.Module):
    @property
    def drop_prob(self):
        return "told with every call"

    def forward(self, x, drop_prob):
        return drop(x, drop_prob, self.training)


class ModeAtConstruction:
    def __init__(self, drop_prob, training):
        self.drop_prob, self.told = drop_prob, training

    def __call__(self, x):
        return drop(x, self.drop_prob, self.told)


class ModeAtConstructionOddly:
    def __init__(self, drop_prob, frozen=False, learning=True):
        self.drop_prob, self.told = drop_prob, learning and not frozen

    def __call__(self, x):
        return drop(x, self.drop_prob, self.told)


class PlainClass:
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob

    def __call__(self, x, training):
        return drop(x, self.drop_prob, training)


class PlainClassWithModes:
    def __init__(self, drop_prob):
        self.drop_prob, self.told = drop_prob, None

    def train(self, mode=True):
        self.told = mode

    def eval(self):
        self.told = False

    def __call__(self, x):
        return drop(x, self.drop_prob, self.told)


class PlainClassWithBareModes(PlainClassWithModes):
    def train(self):
        super().train(True)


class TrainRaises(ByDropProb):
    def train(self, mode=True):
        raise RuntimeError("not to be trained")

    def eval(self):
        self.training = False


class RefusesKeepProbZero(ByDropProb):
    def __init__(self, drop_prob):
        if drop_prob >= 1.0:
            raise ValueError("drop_prob must be below 1")
        super().__init__(drop_prob)


class WrapsBranch(nn.Module):
    def __init__(self, module, drop_prob):
        super().__init__()
        self.module = module
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop(self.module(x), self.drop_prob, self.training)


class WrapsResidualBranch(WrapsBranch):
    def forward(self, x):
        return x + super().forward(x)


class AddsShortcut(ByDropProb):
    def forward(self, shortcut, x):
        return shortcut + drop(x, self.drop_prob, self.training)


class AddsShortcutFromList(ByDropProb):
    def forward(self, inputs):
        shortcut, x = inputs
        return shortcut + drop(x, self.drop_prob, self.training)


class AddsShortcutOfAnyArguments(ByDropProb):
    def forward(self, *inputs):
        shortcut, x = inputs
        return shortcut + drop(x, self.drop_prob, self.training)


class Images(ByDropProb):
    def forward(self, x):
        assert x.shape[1:] == (4, 8, 8)
        return super().forward(x)


class Namespace:
    Inner = ByDropProb


KEEP_NAMES = (
    "keep_prob", "survival_prob", "survival_probability", "survival_rate", "drop_path_keep_prob", "keep_rate",
    "retain_prob", "survivor_p", "alive_prob",
)  # fmt: skip
DROP_NAMES = (
    "drop_prob", "p", "drop_p", "drop_rate", "rate", "prob", "drop_path_rate", "drop_connect_rate", "death_rate",
    "sample_drop_rate", "sample_drop_ratio", "p_drop",
)  # fmt: skip
for _name in (*KEEP_NAMES, *DROP_NAMES):
    _drop_prob = f"1.0 - {_name}" if _name in KEEP_NAMES else _name
    exec(  # noqa: S102 - one function for each spelling
        f"def by_{_name}(x, {_name}, training=False):\n    return drop(x, {_drop_prob}, training)\n"
    )


# Instances

ready_made = ByDropProb(0.1)
ready_made_plain = PlainClass(0.1)
ready_made_unscaled = Scaling(0.1, scale_by_keep=False)
ready_made_batch = StochasticDepth(0.1, "batch")
ready_made_without_probability = ForwardTakesProbability()
unscaled_class = functools.partial(Scaling, scale_by_keep=False)


# Functions


def mode_last(x, drop_prob=0.0, training=False):
    return drop(x, drop_prob, training)


def mode_first(training, drop_prob, x):
    return drop(x, drop_prob, training)


def train_flag(x, p, train):
    return drop(x, p, train)


def is_training_flag(x, p, is_training):
    return drop(x, p, is_training)


def is_test(x, drop_prob, is_test=True):
    return drop(x, drop_prob, not is_test)


def deterministic(x, rate, deterministic=True):
    return drop(x, rate, not deterministic)


def inference(x, p, *, inference=True):
    return drop(x, p, not inference)


def unknown_mode(x, p, active):
    return drop(x, p, active)


def unknown_inverted_mode(x, p, frozen):
    return drop(x, p, not frozen)


def no_mode(x, drop_prob):
    return drop(x, drop_prob)


def two_streams(nodes, edges, drop_prob, training):
    nodes, edges = nodes.contiguous(), edges.contiguous()
    together = drop(torch.stack([nodes, edges], dim=1), drop_prob, training)
    return together[:, 0], together[:, 1]


def several_branches(xs, drop_prob, training):
    a, b = xs
    kept = drop(torch.ones((len(a),) + (1,) * (a.ndim - 1)), drop_prob, training) > 0
    keep_prob = (1.0 - drop_prob) or 1.0 if training else 1.0
    return torch.where(kept, a, 0.0) / keep_prob, torch.where(kept, b, 0.0) / keep_prob


class DropsSeveral(ByDropProb):
    def forward(self, xs):
        return several_branches(xs, self.drop_prob, self.training)


def from_mapping(inputs, drop_prob, training):
    return drop(inputs["x"], drop_prob, training)


def times_gamma(x, gamma, drop_prob, training):
    return drop(x * gamma, drop_prob, training)


def reads_the_mode(module, x, drop_prob):
    return drop(x, drop_prob, module.training)


def of_a_block(self, x):
    return drop(x, self.drop_rate, self.training)


def positional_only(p, x, scale=1.0, training=False, /):
    assert scale == 1.0
    return drop(x, p, training)


def keywords_only(*, x, drop_prob, training):
    return drop(x, drop_prob, training)


def any_positional(*args):
    x, drop_prob, training = args
    return drop(x, drop_prob, training)


def any_keywords(x, **kwargs):
    assert set(kwargs) == {"drop_prob", "training"}
    return drop(x, kwargs["drop_prob"], kwargs["training"])


def any_tensors(*inputs, drop_prob, training):
    shortcut, x = inputs
    return shortcut + drop(x, drop_prob, training)


def partly_by_name(active, x, p, *, training):
    assert active == "yes"
    return drop(x, p, training)


def stochastic_depth(input, p: float, mode: str, training: bool = True):  # noqa: A002 - torchvision's signature
    assert mode in ("row", "batch")
    return drop(input, p, training, shape=(1,) * input.ndim if mode == "batch" else None)


def scale_by_keep(x, drop_prob=0.0, training=False, scale_by_keep=True):
    return drop(x, drop_prob, training, divide=scale_by_keep)


def per_element(x, drop_prob, training):
    return drop(x, drop_prob, training, shape=x.shape)


def add_shortcut(shortcut, x, drop_prob, training):
    return shortcut + drop(x, drop_prob, training)


def add_shortcut_last(x, shortcut, drop_prob, training):
    return shortcut + drop(x, drop_prob, training)


def add_shortcut_from_list(inputs, drop_prob, training):
    shortcut, x = inputs
    return shortcut + drop(x, drop_prob, training)


def residual_function(x, residual_func, drop_prob, training):
    return x + drop(residual_func(x), drop_prob, training)


class RunsItsParts(nn.Sequential):
    def __init__(self, *layers, drop_prob=0.0):
        super().__init__(*layers)
        self.drop_prob = drop_prob

    def forward(self, x):
        for _, layer in enumerate(self.children()):
            x = x + drop(layer(x), self.drop_prob, self.training)
        return x


def in_the_mode_of_its_layer(layer, x, drop_prob):
    return x + drop(layer(x), drop_prob, layer.training)


def apply_to_branch(fn, x, drop_prob, training):
    return drop(fn(x), drop_prob, training)


def tuple_output(x, drop_prob, training):
    return drop(x, drop_prob, training), "something else"


def mask_output(x, drop_prob, training):
    return drop(torch.ones(len(x), *(1,) * (x.ndim - 1), dtype=x.dtype), drop_prob, training)


def with_constant(x, scale, drop_prob, training):
    assert scale == [1, 2]
    return drop(x, drop_prob, training)


@torch.no_grad()
def decorated(x, drop_prob, training):
    return drop(x, drop_prob, training)


def _to_script(x: torch.Tensor, drop_prob: float, training: bool = False) -> torch.Tensor:
    if drop_prob == 0.0 or not training:
        return x
    kept = torch.rand([x.shape[0]] + [1] * (x.ndim - 1), dtype=torch.float64) < 1.0 - drop_prob
    y = torch.where(kept, x, torch.zeros_like(x))
    return y / (1.0 - drop_prob) if drop_prob < 1.0 else y


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    scripted = torch.jit.script(_to_script)


# Names that are read by their words

OTHER_DROP_NAMES = (
    "droprate", "dropout", "dp", "ratio", "drop_ratio", "drop", "probability", "r", "stochdepth_rate",
    "layer_drop_rate", "layer_dropout", "dropPathRate", "dpr", "path_drop",
)  # fmt: skip
_drop = drop
OTHER_KEEP_NAMES = ("pKeep", "survival", "drop_path_keep_rate", "retention")
for _name in (*OTHER_DROP_NAMES, *OTHER_KEEP_NAMES):
    _drop_prob = f"1.0 - {_name}" if _name in OTHER_KEEP_NAMES else _name
    exec(f"def by_{_name}(x, {_name}, training=False):\n    return _drop(x, {_drop_prob}, training)\n")  # noqa: S102


class SurvivalGate(nn.Module):
    def __init__(self, ratio):
        super().__init__()
        self.ratio = ratio

    def forward(self, x):
        return drop(x, 1.0 - self.ratio, self.training)


def drops_without_a_mode(x, ratio, inplace=False):
    assert not inplace
    return drop(x, ratio)


def add_identity(identity, out, drop_prob, training):
    return identity + drop(out, drop_prob, training)


def bias_drop_add(x, residual, prob, training):
    return residual + drop(x, prob, training)


def add_branch(x, branch, drop_prob, training):
    return x + drop(branch, drop_prob, training)


class ResidualOfM(nn.Module):
    def __init__(self, m, drop):
        super().__init__()
        self.m, self.drop = m, drop

    def forward(self, x):
        return x + drop(self.m(x), self.drop, self.training)


class AnyWrapper(nn.Module):
    def __init__(self, op, p):
        super().__init__()
        self.op, self.p = op, p

    def forward(self, x):
        return x + drop(self.op(x), self.p, self.training)


class StoresAndCalls(nn.Module):
    def __init__(self, first, scale, p):
        super().__init__()
        self.first, self.scale, self.p = first, scale, p

    def forward(self, x):
        return x + drop(self.first(x), self.p, self.training)


class WrapsAnyNumber(nn.Module):
    """Takes the layers of its branch one by one."""

    def __init__(self, rate=0.1, *layers):
        super().__init__()
        self.rate, self.branch = rate, nn.Sequential(*layers)

    def forward(self, x):
        y = self.branch(x)
        return x + (drop(y, self.rate, self.training) if self.training else y)


class StackInAList(nn.Module):
    """Takes the layers that it calls in turn as a list."""

    def __init__(self, layers, rates=None, path_drop=0.1):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.rates = rates or [path_drop] * len(layers)

    def forward(self, x):
        for layer, rate in zip(self.layers, self.rates, strict=True):
            y = layer(x)
            x = x + (drop(y, rate, self.training) if self.training else y)
        return x


class CallsInTurn(nn.Module):
    """Keeps the list as it is given."""

    def __init__(self, blocks, p):
        super().__init__()
        self.blocks, self.p = blocks, p

    def forward(self, x):
        for _, block in enumerate(self.blocks):
            x = x + drop(block(x), self.p if self.training else 0.0, self.training)
        return x


class ToldItsModeAtFirst(nn.Module):
    """Is constructed for training or for evaluation, though a module has modes of its own."""

    def __init__(self, stochastic_depth_rate, is_training, dropout_rate=0.0):
        super().__init__()
        self.rate, self.drops, self.dropout = stochastic_depth_rate, is_training, nn.Dropout(dropout_rate)

    def forward(self, x):
        return drop(self.dropout(x), self.rate, self.drops)


def past_a_bypass(x, prob_bypass, training):
    return drop(x, prob_bypass, training)


def add_to_residual(seqs: torch.Tensor, residual: torch.Tensor, drop_prob: float, training: bool):
    return residual + drop(seqs, drop_prob, training)


def drop_rows(x, batch, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    count = int(batch.max()) + 1 if len(batch) else 0
    kept = (torch.rand(count, dtype=torch.float64) < 1.0 - drop_prob)[batch].reshape(-1, *(1,) * (x.ndim - 1))
    return torch.where(kept, x / (1.0 - drop_prob or 1.0), torch.zeros_like(x))


def drop_rows_of_some(x, drop_prob, training, batch=None):
    return drop(x, drop_prob, training) if batch is None else drop_rows(x, batch, drop_prob, training)


class GraphDrop(ByDropProb):
    """Takes all of x for one graph, unless it is told the graphs."""

    def forward(self, x, index=None, num_graphs=None):
        if index is None:
            return drop(x, self.drop_prob, self.training, shape=(1,) * x.ndim)
        return drop_rows(x, index, self.drop_prob, self.training)


class SequenceFirst(ByDropProb):
    def forward(self, x):
        return drop(x, self.drop_prob, self.training, shape=(1, x.shape[1], *(1,) * (x.ndim - 2)))


def add_sequence_first(shortcut, x, drop_prob, training):
    return shortcut + drop(x, drop_prob, training, shape=(1, x.shape[1], *(1,) * (x.ndim - 2)))


class ByChannel(ByDropProb):
    def forward(self, x):
        return drop(x, self.drop_prob, self.training, shape=(*x.shape[:2], *(1,) * (x.ndim - 2)))


class SharesAlongAnAxis(ByDropProb):
    def __init__(self, axis, drop_prob):
        super().__init__(drop_prob)
        self.axis = axis

    def forward(self, pairs):
        assert pairs.ndim == 4
        shape = [1 if axis == self.axis else size for axis, size in enumerate(pairs.shape)]
        return drop(pairs, self.drop_prob, self.training, shape=shape)


class TakesEights(ByDropProb):
    def forward(self, x):
        if len(x) % 8:
            raise ValueError("a batch is made of eights")
        return super().forward(x)


def make_layer(drop_rate):
    return lambda x, training: drop(x, drop_rate, training)


def make_module(drop_prob):
    return ByDropProb(drop_prob)


def make_residual(drop_prob):
    return lambda x, shortcut, training: shortcut + drop(x, drop_prob, training)


@dataclasses.dataclass
class Settings:
    width: int
    path_drop_rate: float
    name: str = "settings"


class ByDataclass(ByDropProb):
    def __init__(self, settings: Settings):
        assert settings.width > 0
        super().__init__(settings.path_drop_rate)


class ByOptionalDataclass(ByDropProb):
    def __init__(self, cfg: Optional[Settings] = None):  # noqa: UP045 - as much of the world writes it
        super().__init__(Settings(8, 0.0).path_drop_rate if cfg is None else cfg.path_drop_rate)


def with_one_word_more(x, base_drop_rate, training):
    return drop(x, base_drop_rate, training)


class ByMapping(ByDropProb):
    def __init__(self, config: dict):
        assert config["depth"]
        super().__init__(1.0 - config.get("keep_prob"))


class ByAttributes(ByDropProb):
    def __init__(self, args, index=3):
        assert (args.embed_dim, index) == (8, 3)
        super().__init__(args.drop_path)


class ByTwoConfigurations(ByDropProb):
    """Reads the rate of one object, and of another how the model runs."""

    def __init__(self, config, global_config):
        super().__init__(0.0 if global_config.frozen else config.drop_path_rate)


class ByUnknownField(ByDropProb):
    def __init__(self, cfg):
        super().__init__(1.0 - cfg.strength)


class Block(nn.Module):
    scale = 1.0

    def __init__(self, dim, survival_prob):
        super().__init__()
        self.gate = nn.Linear(dim, dim)
        self.survival_prob = survival_prob

    def keep(self, x):
        return x * self.scale

    def _drop_path(self, h):
        return drop(self.keep(h), 1.0 - self.survival_prob, self.training)

    def _residual(self, h, fn):
        return h + drop(fn(h), 1.0 - self.survival_prob, self.training)

    def _skip(self, h, fn):
        if not self.training:
            return fn(h)
        keep_prob = self.survival_prob
        kept = torch.rand((len(h),) + (1,) * (h.ndim - 1), dtype=torch.float64) < keep_prob
        return torch.where(kept, h + (fn(h) - h) / (keep_prob or 1.0), h) if keep_prob < 1.0 else fn(h)

    def _wrapped(self, h, fn):
        return drop(fn(h), 1.0 - self.survival_prob, self.training)

    def _gated(self, h):
        return drop(self.gate(h), 1.0 - self.survival_prob, self.training)


class OffUnlessSwitchedOn(ByDropProb):
    def __init__(self, drop_prob=0.1, use_drop_path=False):
        super().__init__(drop_prob if use_drop_path else 0.0)


class ReadsOffAnObject(nn.Module):
    """Is given the rate in an object that its branch may read as well."""

    def __init__(self, op):
        super().__init__()
        self.op = op

    def forward(self, x, edge):
        return drop(self.op(x), edge.drop_path_prob, self.training)


def at_a_step(x, drop_path_prob, step, steps, training):
    return drop(x, drop_path_prob * (step + 1) / steps, training)


class BySchedule(nn.Module):
    def __init__(self, drop_prob_fn):
        super().__init__()
        self.drop_prob_fn, self.epoch = drop_prob_fn, 0

    def forward(self, x):
        return drop(x, self.drop_prob_fn(self.epoch), self.training)


class ScalesByP(nn.Module):
    """Divides by its p, which is what is kept."""

    def __init__(self, p):
        super().__init__()
        self.p: float = float(p)

    def forward(self, x):
        if not self.training or self.p == 1.0:
            return x
        kept = torch.rand((len(x),) + (1,) * (x.ndim - 1), dtype=torch.float64) < self.p
        return torch.where(kept, x / self.p if self.p else x, torch.zeros_like(x))


def add_fused(x_in, fused, drop_prob, training):
    return x_in + drop(fused, drop_prob, training)


class SkipsLayers(nn.ModuleList):
    """Yields its layers, of which each drops what it returns."""

    def __init__(self, rate, modules=None):
        super().__init__(modules)
        self.rate = rate

    def __iter__(self):
        for layer in super().__iter__():
            yield lambda x, layer=layer: drop(layer(x), self.rate, self.training)


class ToldByAttribute:
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob
        self.training = True

    def forward(self, x):
        return drop(x, self.drop_prob, self.training)


# Factories


def make(drop_prob):
    def layer(x, training):
        return drop(x, drop_prob, training)

    return layer


def make_without_mode(drop_prob):
    return lambda x, training: drop(x, drop_prob)


make_from_lambda = lambda drop_prob: lambda x, training: drop(x, drop_prob, training)  # noqa: E731


class NoCall:
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob


class ByEpoch(nn.Module):
    """Its rate is asked for by an epoch that it must be told first."""

    def __init__(self, drop_prob_fn):
        super().__init__()
        self.drop_prob_fn = drop_prob_fn

    def set_epoch(self, epoch):
        self.epoch = epoch

    def forward(self, x):
        return drop(x, self.drop_prob_fn(self.epoch), self.training)


class AtTheLastStep(nn.Module):
    """Its rate is whole at the last of its steps, and it has none before it is told one."""

    def __init__(self, drop_prob, total_steps):
        super().__init__()
        self.drop_prob, self.total_steps = drop_prob, total_steps

    def set_step(self, step):
        self.step = step

    def forward(self, x):
        return drop(x, self.drop_prob * self.step / self.total_steps, self.training)


class RisesByDegrees(nn.Module):
    """Its rate is nothing until it was stepped ten times."""

    def __init__(self, drop_prob, warmup=10):
        super().__init__()
        self.whole, self.warmup, self.drop_rate, self.count = drop_prob, warmup, 0.0, 0

    def step(self):
        self.count += 1
        self.drop_rate = self.whole * min(self.count / self.warmup, 1.0)

    def forward(self, x):
        return drop(x, self.drop_rate, self.training)


applied = DropFunction.apply
