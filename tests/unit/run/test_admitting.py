"""What a few calls show before anything is planned: one message, or one finding, in place of hundreds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from droppath_audit.core.errors import NeedsFactory, UsageError
from droppath_audit.probes.admission import admission
from droppath_audit.targets.loader import load, load_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from droppath_audit.core.report import Report

LAYERS = """
import time
from typing import Tuple
import torch
from torch import nn

def drop(x, p, training):
    if not training or p == 0.0:
        return x
    kept = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), dtype=torch.float64, device=x.device) < 1.0 - p
    return torch.where(kept, x, torch.zeros_like(x)) / ((1.0 - p) or 1.0)

def make_raises(drop_prob):
    def call(x, training):
        raise KeyError("missing in every call of what it makes")
    return call

def raises(x, drop_prob, training):
    raise KeyError("missing in every call")

def forgets_to_return(x, drop_prob, training):
    y = drop(x, drop_prob, training)
    return None if training and drop_prob else y

def always_moves(x, drop_prob, training):
    raise AssertionError("Torch not compiled with CUDA enabled")

class ForgetsItsBase(nn.Module):
    def __init__(self, drop_prob):
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop(x, self.drop_prob, self.training)

def moves(x, drop_prob, training, use_cuda=True):
    if use_cuda:
        raise AssertionError("Torch not compiled with CUDA enabled")  # as x.cuda() does
    return drop(x, drop_prob, training)

def no_bfloat16(x, drop_prob, training):
    if x.dtype == torch.bfloat16:
        raise RuntimeError("not implemented for bfloat16")
    return drop(x, drop_prob, training)

def hangs_in_float32(x, drop_prob, training):
    if x.dtype == torch.float32:
        time.sleep(1000)
    return no_bfloat16(x, drop_prob, training)

def of_two(one: torch.Tensor, other: torch.Tensor, drop_prob: float, training: bool):
    return drop(other, drop_prob, training).add(one)

class Residual(nn.Module):
    def __init__(self, drop_path=0.0):
        super().__init__()
        self.branch, self.drop_path = nn.Identity(), drop_path

    def forward(self, x):
        return x + drop(self.branch(x), self.drop_path, self.training)

class KeepsCount(nn.Module):

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, residual, x):
        return residual + drop(x, self.drop_prob, self.training)

def output_first(x, shortcut, drop_prob, training):
    return drop(x, drop_prob, training) + shortcut

def adds_its_residual(x, residual, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x + residual
    kept = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), dtype=torch.float64, device=x.device) < 1.0 - drop_prob
    return x + torch.where(kept, residual, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)

def x_alone_or_both(x, residual, drop_prob, training):
    if training and torch.rand((), dtype=torch.float64, device=x.device) < drop_prob:
        return x
    return x + (residual / (1.0 - drop_prob) if training else residual)

def one_coin(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    kept = torch.rand((), dtype=torch.float64, device=x.device) < 1.0 - drop_prob
    return torch.where(kept, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)

def number_where_dropped(x, drop_prob, training):
    if training and torch.rand(()).item() < drop_prob:
        return 0
    return x / (1.0 - drop_prob) if training else x

def zeros_of_their_own(x, drop_prob, training):
    y = drop(x, drop_prob, training)
    return y if y.any() or not training else torch.zeros(x.shape)

def refuses_high_rates(x, drop_prob, training):
    if drop_prob > 0.99:
        raise ValueError("drop_prob must be at most 0.99")
    return drop(x, drop_prob, training)

def drop_mask(x, drop_prob):
    kept = torch.rand((x.shape[0],) + (1,) * (x.dim() - 1), dtype=torch.float64, device=x.device) < 1.0 - drop_prob
    return kept.to(x.dtype) / ((1.0 - drop_prob) or 1.0)

def one_coin_a_token(x, drop_prob, training):
    if not training or drop_prob == 0.0:
        return x
    shape = (1,) * min(1, x.dim()) + tuple(x.shape[1:2]) + (1,) * (x.dim() - 2)
    kept = torch.rand(shape, device=x.device) < 1.0 - drop_prob
    return torch.where(kept, x, torch.zeros_like(x)) / ((1.0 - drop_prob) or 1.0)

late = []

def late_at_first(x, drop_prob, training):
    if x.dtype == torch.float32 and not late:
        late.append(time.sleep(2.0))
    return one_coin(x, drop_prob, training)

def late_at_first_in_all(x, drop_prob, training):
    if not late:
        late.append(time.sleep(2.0))
    return one_coin(x, drop_prob, training)

def of_a_mode(x, drop_prob, training, mode):
    if mode not in ("sample", "batch"):
        raise ValueError(mode)
    return drop(x, drop_prob, training) if mode == "sample" else one_coin(x, drop_prob, training)

def channels_last(x, drop_prob, training, dim):
    assert x.shape[-1] == dim
    return drop(x, drop_prob, training)

def applies(x, branch_fn, drop_prob, training):
    return drop(branch_fn(x), drop_prob, training)

class Refuses(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        if not 0.0 <= drop_prob < 1.0:
            raise ERROR(f"drop_prob must be below 1, got {drop_prob}")
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop(x, self.drop_prob, self.training)

class DropPath(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        return drop(x, self.drop_prob, self.training)

    def extra_repr(self):
        return str(self.drop_prob)

class Network(nn.Module):
    def __init__(self, dim, drop_path_rate):
        super().__init__()
        self.linear, self.drop_path = nn.Linear(dim, dim), DropPath(drop_path_rate)

    def forward(self, x):
        return x + self.drop_path(self.linear(x))

class Gain(nn.Module):
    def __init__(self, drop_prob, start=1e-5):
        super().__init__()
        self.drop_prob, self.gamma = drop_prob, nn.Parameter(torch.full((1,), start))

    def gain(self):
        return self.gamma

    def forward(self, x):
        return drop(x * self.gain(), self.drop_prob, self.training)

class LogGain(Gain):
    def gain(self):
        return self.gamma.exp()

class Gate(Gain):
    def gain(self):
        return torch.sigmoid(self.gamma)

class GainOfElements(Gain):
    def forward(self, x):
        if not self.training:
            return x * self.gain()
        return x * self.gain() * (torch.rand_like(x) >= self.drop_prob) / ((1 - self.drop_prob) or 1.0)

class Channels(Gain):
    def __init__(self, dim, drop_prob):
        super().__init__(drop_prob)
        self.gamma = nn.Parameter(torch.zeros(dim))

class Shift(Gain):
    def forward(self, x):
        return drop(x + self.gain(), self.drop_prob, self.training)

class SequenceFirst(DropPath):
    def forward(self, x):
        return drop(x.swapaxes(0, 1), self.drop_prob, self.training).swapaxes(0, 1)

class RankFour(DropPath):
    def forward(self, x):
        batch, channels, height, width = x.shape
        return super().forward(x)

class Pairs(DropPath):
    def forward(self, pair: Tuple[torch.Tensor, torch.Tensor]):
        both = drop(torch.stack(pair, 1), self.drop_prob, self.training)
        return both[:, 0], both[:, 1]

class PairsApart(DropPath):
    def forward(self, pair: Tuple[torch.Tensor, torch.Tensor]):
        return tuple(drop(x, self.drop_prob, self.training) for x in pair)

class Named(DropPath):
    def forward(self, x, z: torch.Tensor):
        both = drop(torch.stack([x, z], 1), self.drop_prob, self.training)
        return {"hidden": both[:, 0], "other": both[:, 1]}

class NamedNumber(DropPath):
    def forward(self, x):
        return {"number": drop(x, self.drop_prob, self.training)}

class Output:
    def __init__(self, hidden):
        self.hidden = hidden

class Attribute(DropPath):
    def forward(self, x):
        return Output(drop(x, self.drop_prob, self.training))

class Delegates(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.inner = DropPath(drop_prob)

    def forward(self, x):
        return self.inner(x)
"""


@pytest.fixture
def layers(tmp_path: Path) -> Callable[..., str]:
    def write(name: str, error: str = "ValueError") -> str:
        """Write the layers, of which one refuses with this error, and return the SPEC of one of them."""
        file = tmp_path / "layers.py"
        file.write_text(LAYERS.replace("ERROR", error), encoding="utf-8")
        return f"{file}:{name}"

    return write


def bad(report: Report) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for result in report.findings:
        found.setdefault(result.trial.check, []).append(result)
    return found


def test_where_every_call_raises_the_exception_its_line_and_what_to_add_are_said(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    spec = layers("raises")
    with pytest.raises(UsageError) as caught:
        isolated(spec)
    said = caught.value.message
    line = LAYERS.splitlines().index('    raise KeyError("missing in every call")') + 1
    assert said.startswith(
        f"Every call of {spec} in training raised, so there is nothing to audit: KeyError: 'missing in every call'"
    )
    assert f'File "{spec.rpartition(":")[0]}", line {line}, in raises' in said
    assert "It was called as raises(x, drop_prob=p, training)" in said
    assert "input=B,4,8,8" in said


def test_of_a_factory_that_raises_no_other_factory_is_proposed(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    spec = f"{layers('make_raises')}?form=factory"
    with pytest.raises(UsageError) as caught:
        isolated(spec)
    assert "It was called as make_raises(p)(x, training). Mend the factory there." in caught.value.message
    assert "propose" not in caught.value.message
    assert not caught.value.command


def test_of_a_block_that_raises_a_factory_may_find_what_it_takes(
    tmp_path: Path, isolated: Callable[..., Report]
) -> None:
    file = tmp_path / "block.py"
    file.write_text(
        "import torch\n"
        "class Block(torch.nn.Module):\n"
        "    def __init__(self, drop_path=0.0):\n"
        "        super().__init__()\n"
        "        self.norm = torch.nn.LayerNorm(24)\n"
        "    def forward(self, x):\n"
        "        return self.norm(x)\n"
    )
    with pytest.raises(NeedsFactory, match=r"Every call of .* raised"):
        isolated(f"{file}:Block")
    file.write_text(file.read_text().replace("torch.nn.LayerNorm(24)", "max").replace("self.norm(x)", "self.norm(1)"))
    with pytest.raises(UsageError, match=r"Every call of .* raised") as caught:
        isolated(f"{file}:Block")
    assert not isinstance(caught.value, NeedsFactory)


def test_to_return_nothing_is_to_raise(layers: Callable[..., str]) -> None:
    from droppath_audit.run.admitting import admitted

    with pytest.raises(
        UsageError, match=r"in training raised, .* TypeError: the target returned NoneType, not a tensor"
    ):
        admitted(load(layers("forgets_to_return")))


def test_what_asks_for_a_gpu_unless_it_is_told_not_to_is_told(layers: Callable[..., str]) -> None:
    from droppath_audit.run.admitting import admitted

    spec = layers("moves")
    with pytest.raises(UsageError, match=r"Run next, with arg\.use_cuda=false, since there is no GPU:") as refused:
        admitted(load(spec))
    assert str(refused.value).endswith(f"droppath-audit '{spec}?arg.use_cuda=false'")
    assert admitted(load(f"{spec}?arg.use_cuda=false")).facts.refused == {}


def test_what_asks_for_a_gpu_in_any_case_is_given_the_command_for_one(layers: Callable[..., str]) -> None:
    from droppath_audit.run.admitting import admitted

    spec = layers("always_moves")
    with pytest.raises(UsageError, match=r"Run next, where there is a GPU:\n  droppath-audit .* --device cuda$"):
        admitted(load(spec))


def test_a_constructor_that_forgets_its_base_is_told_so(layers: Callable[..., str]) -> None:
    from droppath_audit.run.admitting import admitted

    with pytest.raises(UsageError, match=r"does not call super\(\).__init__\(\) before anything else\.$"):
        admitted(load(layers("ForgetsItsBase")))


def test_a_dtype_that_is_refused_is_one_finding(layers: Callable[..., str], isolated: Callable[..., Report]) -> None:
    report = isolated(layers("no_bfloat16"), "DP001", "DP005", "DP101", "DP301")
    ((check, results),) = bad(report).items()
    assert (check, [result.trial.case.coordinates["dtype"] for result in results]) == ("DP005", ["bfloat16"])
    left_out = {result.verdict.observed for result in report.results if result.trial.id.count("bfloat16")}
    assert "the target refuses bfloat16 (see DP005)" in left_out
    assert report.facts.refused == {"bfloat16": "RuntimeError: not implemented for bfloat16"}


def test_of_a_target_that_says_which_dtypes_it_takes_no_other_is_asked(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(layers("no_bfloat16?dtypes=float32,float16"), "DP003", "DP005", "DP402")
    assert not report.findings
    seen = {result.trial.id: str(result.outcome) for result in report.results}
    assert seen["DP003[cpu-float32]"] == "pass"  # which is asked of float64 otherwise
    assert {seen[f"DP005[cpu-{dtype}]"] for dtype in ("float32", "float16")} == {"pass"}
    assert {seen[f"DP005[cpu-{dtype}]"] for dtype in ("float64", "bfloat16")} == {"not-applicable"}


# What is about drop_prob = 1, then every check once: what is said must not depend on the exception.
@pytest.mark.parametrize(
    ("error", "only"),
    [
        ("ValueError", ("DP301", "DP302", "DP601")),
        pytest.param("AssertionError", ("DP0xx", "DP3xx"), marks=pytest.mark.selftest),
        pytest.param("ValueError", (), marks=pytest.mark.selftest),
    ],
)
def test_a_refusal_of_keep_prob_zero_is_one_finding_that_names_the_declaration(
    error: str, only: tuple[str, ...], layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(layers("Refuses", error), *only)
    ((check, (result,)),) = bad(report).items()
    assert check == "DP301"
    assert "drop_prob must be below 1" in result.verdict.observed
    assert "keep_prob_zero=raises" in result.verdict.hint


def test_a_declared_refusal_is_none(layers: Callable[..., str], isolated: Callable[..., Report]) -> None:
    assert not isolated(layers("Refuses?keep_prob_zero=raises"), "DP001", "DP3xx", "DP601").findings


def test_inputs_of_as_many_channels_as_an_argument_says_are_tried(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(layers("channels_last?arg.dim=6"), "DP101", "DP102[cpu-float32*]")
    assert {str(result.outcome) for result in report.results} == {"pass"}


def test_a_network_is_no_layer_and_a_layer_that_delegates_is_one(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    with pytest.raises(UsageError, match=r"is a network, not a layer: .* drop_path \(DropPath\)\. Audit the class"):
        isolated(layers("Network?init.dim=8"))
    assert not isolated(layers("Delegates"), "DP001", "DP101").findings


def test_a_form_that_no_call_may_show_is_asked_for(layers: Callable[..., str]) -> None:
    from droppath_audit.run.admitting import admitted

    loaded = load(layers("applies"))
    assert admitted(loaded).facts.dialect.form == "branch"
    with pytest.raises(UsageError, match=r"(?s)could not be called .*Run next.*\?form=branch"):
        admitted(loaded, calls=False)


def test_calls_that_do_not_end_are_given_up_and_left_to_the_trials(
    layers: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from droppath_audit.run import admitting

    monkeypatch.setattr(admitting, "ASKING_SECONDS", 5.0)  # in which the other forks answer, on a busy machine as well
    monkeypatch.setattr(admitting, "PATIENT_SECONDS", 0.5)
    facts = admitting.admitted(load(layers("hangs_in_float32"))).facts
    assert list(facts.refused) == ["bfloat16"]  # what the other forks showed counts


@pytest.mark.parametrize("name", ["late_at_first", "late_at_first_in_all"])
def test_a_first_call_that_takes_long_is_waited_for(
    name: str, layers: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from droppath_audit.run import admitting

    monkeypatch.setattr(admitting, "ASKING_SECONDS", 1.0)
    assert admitting.admitted(load(layers(name))).facts.decides_per_call


def test_the_calls_are_made_in_a_fork(layers: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from droppath_audit.run.admitting import admitted

    loaded = load(layers("DropPath"))
    made: list[float] = []
    make = loaded.target.make
    monkeypatch.setattr(loaded.target, "make", lambda drop_prob: made.append(drop_prob) or make(drop_prob))
    assert admitted(loaded).facts.refused == {}
    assert made == []


ADMITTED = ("DP001", "DP002", "DP005", "DP101", "DP201", "DP304", "DP401", "DP601")


@pytest.mark.parametrize(("name", "value"), [("Gain", 1), ("LogGain", 0), ("Gate", 100), ("Channels?init.dim=6", 1)])
def test_a_gain_is_set_to_one_and_the_layer_converted_to_the_dtype_of_x(
    layers: Callable[..., str], isolated: Callable[..., Report], name: str, value: float
) -> None:
    report = isolated(layers(name), *ADMITTED)
    assert bad(report) == {}
    assert report.facts.notes[:2] == (
        f"gamma is set to {value}, with which the layer returns x where nothing is dropped",
        "it is converted to the dtype of x, as the model that holds it is",
    )
    assert report.facts.fixed_shape == ((-1, 4, 6) if "dim" in name else None)


def test_a_fault_behind_a_gain_is_found_and_its_script_sets_the_gain(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    found = bad(isolated(layers("GainOfElements"), "DP104"))["DP104"]
    script = found[0].snippet
    assert "['gamma'].data.fill_(1.0)" in script
    assert "layer.to(device='cpu', dtype=torch." in script


@pytest.mark.parametrize("name", ["Shift", "Network?init.dim=4"])
def test_what_computes_more_than_a_gain_is_refused(
    layers: Callable[..., str], isolated: Callable[..., Report], name: str
) -> None:
    with pytest.raises(UsageError, match=r"is a network, not a layer|is more than a layer that drops"):
        isolated(layers(name))


@pytest.mark.parametrize(
    ("name", "called", "output"),
    [
        ("Pairs", "Pairs(drop_prob=p)([x, x])", "0"),
        ("Named", "Named(drop_prob=p)(x, z=x)", "hidden"),
        ("Attribute", "Attribute(drop_prob=p)(x)", ".hidden"),
        ("NamedNumber", "NamedNumber(drop_prob=p)(x)", "number"),
    ],
)
def test_of_several_outputs_the_first_tensor_is_audited(
    layers: Callable[..., str], isolated: Callable[..., Report], name: str, called: str, output: str
) -> None:
    report = isolated(layers(name), "DP001", "DP101", "DP104", "DP201")
    assert bad(report) == {}
    assert report.facts.called == called
    assert f"output={output}: of several outputs the first tensor is audited" in report.facts.notes


def test_a_number_in_the_place_of_a_tensor_is_one_finding(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(f"{layers('number_where_dropped')}?granularity=batch", "DP005", "DP103", "DP201", "DP202")
    ((check, results),) = bad(report).items()
    assert (check, len(results)) == ("DP005", 4)
    assert "returned int, not a tensor in training at drop_prob 0.999" in results[0].verdict.observed
    assert report.facts.notes[-1] == "a number that comes back is taken for a tensor full of it: DP005 judges that"
    with pytest.raises(AttributeError, match="'int' object"):
        exec(results[0].snippet, {})  # noqa: S102 - a script is there to be run


def test_what_is_lost_where_all_samples_are_dropped_is_seen(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    found = bad(isolated(layers("zeros_of_their_own"), "DP005"))["DP005"]
    assert {result.trial.case.coordinates["dtype"] for result in found} == {"float64", "float16", "bfloat16"}
    assert all("in training at drop_prob 0.999" in result.verdict.observed for result in found)


def test_a_rate_that_is_refused_says_nothing_of_what_comes_back(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    assert not isolated(layers("refuses_high_rates"), "DP005").findings


def test_a_mask_is_taken_for_one_by_its_name_and_its_values(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    given = layers("drop_mask")
    report = isolated(given, "DP005", "DP103", "DP201")
    assert bad(report) == {}
    assert report.facts.invocation.output == "mask"
    assert "output=mask, by its name, and zeros and one other number come back whatever x is" in report.facts.notes
    other = Path(given.rpartition(":")[0])
    other.write_text(other.read_text(encoding="utf-8").replace("drop_mask", "drop_it"), encoding="utf-8")
    assert (
        "add output=mask to the SPEC"
        in bad(isolated(given.replace("drop_mask", "drop_it"), "DP201"))["DP201"][0].verdict.hint
    )


def test_tensors_that_are_given_together_must_be_dropped_together(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    results = bad(isolated(layers("PairsApart"), "DP104"))["DP104"]
    assert "come back as different ones" in results[0].verdict.observed
    with pytest.raises(AssertionError):
        exec(results[0].snippet, {})  # noqa: S102 - a script is there to be run


def test_a_rank_that_is_refused_is_a_finding_of_one_check(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(layers("RankFour"), *ADMITTED)
    assert list(bad(report)) == ["DP005"]
    assert report.facts.notes == ("x of rank 4 alone is taken: the others are DP005's finding",)


def test_a_rank_without_the_axis_of_the_batch_is_neither_refused_nor_missed(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(f"{layers('SequenceFirst')}?axis=1", "DP005", "DP304", "DP601")
    assert bad(report) == {}
    assert report.facts.notes == ()
    assert {str(result.outcome) for result in report.results if result.trial.check == "DP005"} == {"pass"}


def test_a_sum_of_what_was_given_twice_is_refused_with_the_call_that_tells_them_apart(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    given = layers("of_two")
    with pytest.raises(UsageError, match="is given x twice and returns the sum") as refused:
        isolated(given, "DP301")
    (spec,) = re.findall(r"^  droppath-audit '(.*)'$", str(refused.value), re.MULTILINE)
    assert spec == f"{given}?call=(r,x,p,training)"
    assert not isolated(spec, "DP202", "DP301").findings


def test_a_residual_block_without_a_branch_is_refused(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    with pytest.raises(UsageError, match="returns 2 x where nothing is dropped"):
        isolated(layers("Residual"), "DP301")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.selftest) for seed in (1, 2))])
@pytest.mark.parametrize("name", ["KeepsCount", "output_first"])
def test_a_sum_with_the_shortcut_is_one_in_either_order_and_beside_any_number(
    name: str, seed: int, layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    """Zeros that the audit adds make +0 of -0, and a complex sum NaN of what is not finite in one of the orders."""
    assert not isolated(layers(name), "DP001", "DP601[cpu-complex64]", "DP114[cpu-c1*]", seed=seed).findings


def test_residual_is_the_branch_beside_an_x_that_is_added_as_it_is(
    layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(layers("adds_its_residual"), "DP001", "DP101", "DP2xx", "DP3xx")
    assert report.facts.called == "adds_its_residual(r, residual=x, drop_prob=p, training)"
    assert any(note.endswith("since x is added as it is") for note in report.facts.notes)
    assert not report.findings
    assert isolated(layers("x_alone_or_both"), "DP104").facts.called.startswith("x_alone_or_both(r, residual=x")


@pytest.mark.parametrize(
    "only",
    [("DP101", "DP104", "DP105", "DP114[cpu-c0*]"), pytest.param((), marks=pytest.mark.selftest)],
    ids=["law", "all"],
)
def test_one_decision_a_batch_that_is_not_declared_is_the_finding_of_one_check(
    only: tuple[str, ...], layers: Callable[..., str], isolated: Callable[..., Report]
) -> None:
    report = isolated(layers("one_coin"), *only)
    ((check, results),) = bad(report).items()
    assert check == "DP104"
    assert all("add granularity=batch to the SPEC" in result.verdict.hint for result in results)
    assert report.facts.dialect.granularity == "sample"
    assert not isolated(layers("one_coin?granularity=batch"), "DP104", "DP101").findings


def test_one_decision_a_token_is_none_a_batch(layers: Callable[..., str], isolated: Callable[..., Report]) -> None:
    report = isolated(layers("one_coin_a_token"), "DP104")
    assert not report.facts.decides_per_call
    assert set(bad(report)) == {"DP104"}


def test_a_mode_is_offered_in_the_words_of_the_body(layers: Callable[..., str]) -> None:
    with pytest.raises(UsageError, match=r"add arg\.mode=sample \(or arg\.mode=batch\)"):
        load(layers("of_a_mode"))
    assert load(layers("of_a_mode?granularity=batch")).target.dialect.granularity == "batch"


class OutOfRange(ValueError):
    """As a project has errors of its own."""


def test_a_refusal_by_a_class_that_derives_from_a_known_one_is_one():
    def drop(x, drop_prob, training):
        if drop_prob >= 1.0:
            raise OutOfRange("below 1")
        return x

    shown = admission(load_object(drop, {}).target, "cpu", "float32", whole=False)
    assert shown.refuses_keep_prob_zero
