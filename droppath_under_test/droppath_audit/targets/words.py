"""What the name of an argument says: its words, and what they mean in code that drops paths."""

from __future__ import annotations

import re
from inspect import Parameter
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable

Meaning = Literal["drop", "keep"]
Tensor = Literal["shortcut", "branch", "input", ""]

DROPPING = {
    "drop", "drops", "dropped", "dropout", "dropping", "death", "die", "dying", "dead", "kill", "killed", "killing",
    "skip", "skipped", "skipping", "bypass", "bypassed",
}  # fmt: skip
KEEPING = {
    "keep", "keeps", "kept", "keeping", "survival", "survive", "survives", "survived", "surviving", "survivor",
    "survivors", "alive", "retain", "retains", "retained", "retaining", "retention",
}  # fmt: skip
NUMBER = {
    "rate", "prob", "proba", "probability", "ratio", "p", "r", "pct", "fraction", "frac", "proportion", "prop",
    "chance", "value",
}  # fmt: skip
AMOUNTS = {"factor", "percent", "percentage", "amount", "level", "coef", "odds", "likelihood"}  # if of what is dropped
PATHS = {
    "path", "paths", "connect", "connection", "depth", "stoch", "stochastic", "layer", "block", "residual", "branch",
    "sample", "row", "sd", "dp", "dc",
}  # fmt: skip
OF_OTHERS = {
    "attn",
    "attention",
    "hidden",
    "embed",
    "embd",
    "embedding",
    "pos",
    "feat",
    "feature",
    "proj",
    "activation",
}
CALLED = {"fn", "func", "function", "schedule", "scheduler", "sampler", "distribution"}  # what makes a number
NO_NUMBERS = {"layer", "block", "residual", "branch"}  # what a layer may be given as well
TRAINING, EVALUATING = {"train", "training"}, {
    "test", "testing", "eval", "evaluate", "evaluation", "inference", "deterministic",
}  # fmt: skip
FLAG = {"is", "in", "mode", "phase", "flag", "now", "model"}
SWITCHES = {"use", "enable", "enabled", "with", "apply", "do"}
KEYS = ("key", "rng", "generator")
KINDS = {"float", "int", "Number", "Real", "Any"}  # one of which a number's annotation names
CONTAINERS = ("tuple", "list", "sequence", "dict", "mapping", "callable")
NUMBERS = ("int", "float", "str", "bool")  # annotations of what is neither a tensor, nor a module, nor a key

SHORTCUT = {"shortcut", "identity", "skip", "bypass", "residual", "res"}
RESIDUAL = {"residual", "res"}  # which is the branch output beside a shortcut of another name
OUTPUT = {"branch", "out", "output", "outputs"}
BESIDE = {"mask", "masks", "len", "lens", "length", "lengths", "weight", "weights", "bias", "pos", "position", "index"}
OUTPUTS = {"y", "fx", "f_x"}
INPUT = {
    "x", "input", "inputs", "hidden", "states", "state", "tensor", "tensors", "data", "feat", "feats", "feature",
    "features", "inp", "activation", "activations", "tokens", "embedding", "embeddings", "xs", "h", "t", "z",
}  # fmt: skip
FUNCTION = {
    "fn", "func", "function", "fun", "callable", "module", "block", "layer", "sublayer", "submodule", "branch", "main",
    "op", "operation", "net", "body", "inner", "wrapped", "m", "f",
}  # fmt: skip
OF_FUNCTION = {"residual", "sub", "inner", "main", "branch", "wrapped", "base", "transform", "body"}

# Of an argument that says which layer of a stack it is, and of one that says how many the stack has.
WHICH = {"idx", "index", "id", "i", "l", "current", "cur"}
STAGES = {"layer", "block", "stage", "level"}
STACKS = {"layers", "blocks", "stages", "levels", "depth"}
COUNTED = {"num", "number", "n", "no", "total", "max", "hidden", "of", "all", "count"}

# Of an argument of a schedule: a number of blocks for each stage; which end of the ramp a rate is.
DEPTHS, SEVERAL = {"depths"}, {"list", "sizes", "counts", "nums", "numbers", "lengths"}
ENDS = {
    "max", "maximum", "largest", "final", "last", "end", "stop", "target", "peak", "upper", "high", "highest", "base",
    "global", "overall",
}  # fmt: skip
STARTS = {"min", "minimum", "smallest", "first", "start", "begin", "initial", "lower", "low", "lowest"}

STEPPING = {"step", "update", "advance", "next", "increment"}
STEPS, OF_STEPS = {"step", "epoch", "iteration", "iter"}, {"steps", "epochs", "iterations", "iters"}

GAINS = {"gamma", "gain", "layerscale"}

MASK = {"mask", "masks", "noise"}
INDEX = {"batch", "index", "indices", "idx", "id", "ids", "node", "nodes", "vec", "vector"}

_SHORT = {"dp": ("drop", "path"), "dpr": ("drop", "path", "rate"), "sdr": ("stochastic", "depth", "rate")}
_VOCABULARY = sorted(
    {word for word in DROPPING | KEEPING | NUMBER | PATHS | TRAINING | EVALUATING | FLAG if len(word) > 2},
    key=len,
    reverse=True,
)


def words(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case: ``stochDepth_rate`` and ``stochdepth_rate`` have three."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return tuple(word for part in re.split(r"[_\d]+", spaced.lower()) if part for word in _parted(part))


def _parted(part: str) -> Iterable[str]:
    """Return the known words that a part consists of, or the part where it consists of others as well."""
    if part in _VOCABULARY or part in _SHORT:
        return _SHORT.get(part, (part,))
    found, rest = [], part
    while rest:
        word = next((word for word in (*_VOCABULARY, "p") if rest.startswith(word)), "")
        if not word:
            return (part,)
        found.append(word)
        rest = rest[len(word) :]
    return found


def probability(name: str, of: str) -> tuple[Meaning, int] | None:
    """Return what a name says of a probability, and how surely, from 0 to 4; None where it speaks of something else.

    4 is a name that says what becomes of paths, and that it is a number; 3 says so of something else; 2 says one of the
    two, and a number alone is taken as the name of the layer says; 1 may be another number, or none at all; 0
    says so with one word more, as ``undecayed_dropout_prob`` does, unless that is what else is dropped out.

    Args:
        name: Name of the argument or attribute.
        of: Name of the layer or function that has it.
    """
    spoken = words(name)
    said = set(spoken)
    things = _things(spoken)
    meanings = _meanings(said, things)
    amounts = said & AMOUNTS if len(meanings) == 1 else set()
    unknown = said - DROPPING - KEEPING - NUMBER - PATHS - amounts
    if unknown and len(meanings) == 1 and said & NUMBER and len(unknown) == 1 and not unknown & (OF_OTHERS | CALLED):
        return meanings[0], 0
    if not said or unknown or len(meanings) > 1:
        return None
    if amounts:
        return meanings[0], 1
    if meanings:
        if said & NUMBER:
            return meanings[0], 4 if said & PATHS or "dropout" not in said else 3
        # ``layerdrop`` is a number, ``drop_layer`` may be a layer, and ``dropout`` is mostly what else is dropped.
        noun = said & NO_NUMBERS and spoken[-1] not in DROPPING | KEEPING
        return None if said <= SHORTCUT else (meanings[0], 1 if noun or said == {"dropout"} else 2)
    if not said & NUMBER:
        return None
    if "depth" in said and said & {"stochastic", "stoch", "sd"}:
        return "drop", 4
    own = set(words(of))
    meaning: Meaning = "keep" if own & KEEPING and not own & (DROPPING - SHORTCUT) else "drop"
    return meaning, 2 if said <= NUMBER else 1


_MEANINGS: tuple[tuple[Meaning, set[str]], ...] = (("drop", DROPPING), ("keep", KEEPING))


def _things(spoken: tuple[str, ...]) -> set[str]:
    """Return the verbs of "drop path" and its like, which say what is kept or dropped, and are no second reading."""
    return {first for first, second in pairwise(spoken) if second in ("path", "paths", "connect")}


def _meanings(said: set[str], things: set[str]) -> list[Meaning]:
    found = [meaning for meaning, known in _MEANINGS if said & known]
    return found if len(found) < 2 else [meaning for meaning, known in _MEANINGS if (said - things) & known]


def outcome(name: str) -> Meaning | None:
    """Return what the name of a function says of the probabilities that it returns, such as ``survival_rates``."""
    spoken = words(name)
    found = _meanings(set(spoken), _things(spoken))
    return found[0] if len(found) == 1 else None


def end_of_ramp(name: str, of: str) -> tuple[Literal["first", "last"], Meaning, int] | None:
    """Return which end of a schedule a name means, what of, and how surely, from 0 to 4; None where it means neither.

    The last block's is the rate of the schedule; ``drop_path_rate`` says so, ``max_drop_prob``, or ``end`` alone.

    Args:
        name: Name of the argument.
        of: Name of the function that has it.
    """
    spoken = words(name)
    which: Literal["first", "last"] = "first" if set(spoken) & STARTS and not set(spoken) & ENDS else "last"
    rest = [word for word in spoken if word not in STARTS | ENDS and (word != "l" or len(spoken) == 1)]  # p_L
    if not rest:
        return (which, outcome(of) or "drop", 0) if spoken else None
    if set(rest) == {"stochastic", "depth"} or rest == ["linear"]:
        return which, "drop", 0
    said = probability("_".join(rest), of)
    return None if said is None else (which, *said)


def blocks(name: str) -> int:
    """Return how surely a name means how many blocks there are, from 1 to 4; 0 where it means something else.

    4 is a number of blocks or layers, or a list of such; 3 says of which blocks as well, as ``num_encoder_layers``;
    2 counts stages; 1 is a bare number, such as ``n``.
    """
    spoken = words(name)
    said = set(spoken)
    if said & WHICH and not stack(name) and not said & DEPTHS:
        return 0
    if said & {"stage", "stages"} and not said & (DEPTHS | {"depth", "layers", "blocks", "per", "layer", "block"}):
        return 2
    if stack(name) or said & DEPTHS or ("depth" in said and listed(name)):
        return 4
    if said & (STACKS | STAGES) and said & (COUNTED | SEVERAL | {"per", "nb", "layers", "blocks"}):
        return 3
    if spoken[-1:] == ("depth",) or re.fullmatch("n(layers|blocks)", "".join(spoken)):
        return 3
    return 1 if name == "N" or (said and said <= COUNTED | {"length", "size", "len", "m"}) else 0


def listed(name: str) -> bool:
    """Return whether a name means a number of blocks for each stage, such as ``depths`` or ``layers_per_stage``."""
    said = set(words(name))
    return bool(said & DEPTHS) or ("per" in said and bool(said & STAGES)) or bool(said & SEVERAL)


def unclear(name: str) -> bool:
    """Return whether a name may mean a number of blocks, or one for each stage: ``layers`` alone."""
    return set(words(name)) <= {"layers", "blocks", "stages", "encoder", "decoder"}


def mode(name: str) -> bool | None:
    """Return whether a name means training; False where it means evaluation, None where it is no name of a mode."""
    said = set(words(name))
    if not said - FLAG - TRAINING and said & TRAINING:
        return True
    return False if not said - FLAG - EVALUATING and said & EVALUATING else None


def tensor(name: str) -> Tensor:
    """Return which tensor a name means; empty where it says none of those."""
    said = set(words(name))
    if said & OUTPUT or name.lower() in OUTPUTS:
        return "branch"
    if said & SHORTCUT:
        return "shortcut"
    return "input" if said and not said - INPUT else ""


def ambiguous(name: str) -> bool:
    """Return whether a name means the shortcut to some, and to others what is added to it."""
    return bool(set(words(name)) & RESIDUAL)


def gain(name: str) -> bool:
    """Return whether a name means what a branch is multiplied by, with which 1 changes nothing."""
    return bool(set(words(name)) & GAINS) or words(name) in (("layer", "scale"), ("ls",))


def beside(name: str) -> bool:
    """Return whether a name means what is given beside a tensor, such as its mask, and is dropped with nothing."""
    return bool(set(words(name)) & BESIDE)


def batch_index(name: str, of: str = "") -> bool:
    """Return whether a name means which sample each row belongs to, as graphs in a batch are told apart.

    Args:
        name: Name of the argument.
        of: Name of the layer or function; one that speaks of graphs need not say of what its index is.
    """
    said = set(words(name))
    return ("batch" in said or "graph" in words(of)) and bool(said) and not said - INDEX


def place(name: str) -> bool:
    """Return whether a name means which layer of a stack it is, such as ``layer_idx``; a bare ``layer`` may mean it."""
    said = set(words(name))
    return bool(said & (WHICH | STAGES)) and not said - WHICH - STAGES - COUNTED and not stack(name)


def stack(name: str) -> bool:
    """Return whether a name means how many layers there are in a stack, such as ``num_layers``."""
    said = words(name)
    if name == "L" or said in (("total",), ("depth",)):
        return True
    counted = set(said) <= STACKS | COUNTED and set(said) & STACKS
    # Of one layer it is the number that comes first, and the index whose number comes last: num_layer and layer_num.
    return bool(counted) or (len(said) > 1 and said[0] in COUNTED and set(said[1:]) <= STAGES)


def function(name: str, *, in_call: bool = False) -> bool:
    """Return whether a name means a branch that is given as a function or module.

    Args:
        name: Name of the argument.
        in_call: Whether it is an argument of a call, where a ``branch`` may be what the branch returned as well.
    """
    said = set(words(name))
    return bool(said & (FUNCTION - OF_FUNCTION if in_call else FUNCTION)) and not said - FUNCTION - OF_FUNCTION


def repeated(name: str) -> bool:
    """Return whether a name means a layer that a stack is made of, such as ``encoder_layer``."""
    said = words(name)
    other = {"norm", "act", "activation", "scale"} | WHICH | COUNTED | SWITCHES
    return bool(said) and said[-1] in ("layer", "block") and not other & set(said)


def drops_paths(name: str) -> bool:
    """Return whether a class is called like a layer that drops paths, such as ``DropPath``."""
    said = set(words(name))
    return bool(said & {"drop", "stochastic", "stoch"} and said & {"path", "paths", "connect", "depth"})


def drops(name: str) -> bool:
    """Return whether a method is called like one that drops a path, such as ``_drop_path`` or ``drop_connect``."""
    said = set(words(name))
    return drops_paths(name) and not said & {*SWITCHES, *CALLED, "rate", "rates", "prob", "get", "set", "make", "build"}


def switch(name: str) -> bool:
    """Return whether a name means that paths are dropped at all, such as ``use_stochastic_depth``."""
    return bool(set(words(name)) & SWITCHES) and drops_paths(name)


def numeric(parameter: Parameter) -> bool:
    """Return whether an argument may be a number, by its annotation and its default."""
    default = parameter.default
    kinds = (bool, str, list, tuple, dict)
    if default is not Parameter.empty and (isinstance(default, kinds) or callable(default)):
        return False
    annotation = annotated(parameter)
    head = annotation.partition("[")[0].rpartition(".")[2].lower()
    return not annotation or (head not in CONTAINERS and bool(KINDS & set(re.findall(r"\w+", annotation))))


def annotated(parameter: Parameter) -> str:
    """Return the annotation as text; empty where there is none."""
    annotation = parameter.annotation
    if annotation is Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return annotation
    # Of a class its name; what typing makes of classes is called Optional or Union, and says more as text.
    whole = isinstance(annotation, type) and not get_args(annotation)
    return annotation.__name__ if whole else str(annotation).replace("typing.", "")
