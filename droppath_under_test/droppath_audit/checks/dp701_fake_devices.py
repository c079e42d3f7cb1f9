"""DP701 fake-devices: on any device everything is made there, and shape and dtype follow x.

What it checks
    Tensors that say they are on cuda, mps, xpu and meta, without any such hardware, go through the layer, in training
    and in evaluation, in float32 and bfloat16. They are on the second device of cuda and xpu, while the first is the
    current one. The output has the device, shape and dtype of x; no tensor of the CPU or of another device meets x;
    nothing is drawn on the CPU and copied to the device, ``.to(x)`` included. As a SHOULD: nothing else is
    copied there in every call, and no value of the device is waited for (``.item()``, ``bool()``, a mask as an index).
    Random numbers from a generator that the layer names, and that is one of the CPU, are a SHOULD as well. What the
    framework cannot do without the hardware is not applicable, quoting it.
Why it matters
    A layer that mixes devices raises for whoever has another one, or a model on several. One that draws on the CPU and
    copies has masks that the device's seed does not decide, that a captured graph freezes, and that every call waits
    for.
How to fix
    Create masks with ``device=x.device``, or by ``x.new_empty(...)``; keep probabilities as Python numbers, so that no
    value has to be read.
Seen in
    Tutorials' ``torch.rand(shape).to(x.device)`` and masks of NumPy; layers that remember the device of construction.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from droppath_audit.core.case import DtypeCase
from droppath_audit.core.check import Check
from droppath_audit.core.errors import NotApplicable, TargetRaised
from droppath_audit.core.grid import Dtypes
from droppath_audit.core.level import Level
from droppath_audit.core.verdict import Verdict
from droppath_audit.frameworks.capabilities import Compiling, has
from droppath_audit.frameworks.fakes import DRAWN, MET, MOVED, READ, STRAYED, FakeDevice, FakeDevices, Passage
from droppath_audit.frameworks.theirs import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from droppath_audit.frameworks.target import Layer
    from droppath_audit.probes.live import LiveProbe
    from droppath_audit.scripts import LiveScript

DROP_PROB, BATCH = 0.5, 16
CALLS = 6  # after a first one, which may fill caches; decisions once a call are alike in all of them once in 32
DTYPES = ("float32", "bfloat16")
OUTPUT, RANDOM, NAMED, CONSTANT = "output", "random", "named", "constant"
"""What is wrong, beside ``MET``, ``STRAYED`` and ``READ``: what comes back · random numbers that were made on the CPU,
by default or from a generator that the layer names · other tensors that are copied in every call."""
GRAVEST = (MET, STRAYED, OUTPUT, RANDOM, NAMED, READ, CONSTANT)
MUST = (MET, STRAYED, OUTPUT, RANDOM)
RAISING = (MET, STRAYED)
NAMES = {"_local_scalar_dense": "item", "_to_copy": "to"}


@dataclass(frozen=True)
class Wrong:
    """What is wrong on a device: in which dtype and mode, of which kind, in words."""

    device: str
    dtype: str
    training: bool
    kind: str
    text: str


@dataclass(frozen=True)
class Seen:
    """The devices on which calls were made, what is wrong there, and why there were no calls elsewhere."""

    devices: tuple[str, ...]
    wrong: tuple[Wrong, ...]
    refused: tuple[str, ...]
    features: tuple[int, ...]


class FakeDevicesCheck(Check[Seen, DtypeCase]):
    where = Dtypes(("float32",))  # those that it asks in are its own
    driven = "it must be given tensors of other devices"
    needs = (FakeDevices,)
    causes = ("other_generator", "raising")
    mutants = (
        "draws_on_the_cpu",
        "decides_in_numpy",
        "meets_a_mask_of_the_cpu",
        "widened_on_accelerators",
        "asks_whether_any_is_dropped",
        "FillsABufferOfTheCPU",
        "names_the_type_of_the_device",
    )

    def collect(self, probe: LiveProbe[DtypeCase]) -> Seen:
        """Make the same calls on each device as on this one, and see what passes between it and the CPU."""
        fakes, features = probe.ask(FakeDevices), probe.features(wide=True)
        dtypes = [dtype for dtype in DTYPES if _works_here(probe, dtype)]
        if not dtypes:
            raise NotApplicable("on this device as well, x does not come back with its shape and dtype")
        devices, wrong, refused = [], list[Wrong](), []
        for name in fakes.fakes:
            try:
                with fakes.fake(name) as device:
                    for dtype in dtypes:
                        wrong += _Calls(probe, device, name, dtype, (BATCH, *features)).wrong()
            except NotApplicable as error:
                refused.append(str(error))
            else:
                devices.append(_type(name))
        if not devices and not wrong:
            raise NotApplicable("; ".join(dict.fromkeys(refused)))
        return Seen(tuple(devices), tuple(wrong), tuple(refused), features)

    def judge(self, seen: Seen, at: DtypeCase, alpha: float) -> Verdict:
        """Fail on anything that is made elsewhere, waited for, or does not follow."""
        refused = f" (not asked: {'; '.join(seen.refused)})" if seen.refused else ""
        if not seen.wrong:
            return Verdict.passed(f"on {', '.join(seen.devices)} nothing is made elsewhere{refused}")
        worst = _worst(seen.wrong)
        kinds = Counter(wrong.kind for wrong in seen.wrong)
        others = [kind for kind in GRAVEST if kind in kinds and kind != worst.kind]
        texts = [worst.text, *(_worst([w for w in seen.wrong if w.kind == kind]).text for kind in others)]
        where = ", ".join(dict.fromkeys(_type(wrong.device) for wrong in seen.wrong))
        return Verdict.failed(
            f"on {where}: {'; '.join(texts)}",
            promised="everything is made on x's device",
            level=None if worst.kind in MUST else Level.SHOULD,
        )

    def show(self, seen: Seen, at: DtypeCase, script: LiveScript) -> None:
        """Make the call on torch's own fake tensors, under a tape of what passes."""
        wrong = _worst(seen.wrong)
        script.layer(DROP_PROB, training=wrong.training)
        script.fake(wrong.device)
        with script.under("with fake:"):
            script.ones((BATCH, *seen.features), wrong.dtype, device=wrong.device)
            with script.must_not_raise("it mixes devices, or waits for a value"):
                script.run(DROP_PROB, training=wrong.training)
        script.add("print('copied to the device:', fake.copied, 'and from it:', fake.waited_for)")
        if wrong.kind == OUTPUT:
            script.same_info()
        elif wrong.kind == READ:
            script.add("assert not fake.waited_for")
        else:
            script.add("assert not fake.copied")


def _worst(wrong: Sequence[Wrong]) -> Wrong:
    return min(wrong, key=lambda one: GRAVEST.index(one.kind))


def _type(device: str) -> str:
    return device.partition(":")[0]


def _works_here(probe: LiveProbe[DtypeCase], dtype: str) -> bool:
    """Return whether calls keep shape and dtype where the audit is; what does not is other checks' to say."""
    compiling, framework = has(probe.framework, Compiling), probe.framework
    layer = probe.make(DROP_PROB)
    x = probe.ones(probe.shape(BATCH, wide=True), dtype)
    for training in probe.modes:
        try:
            y = layer(x, training=training)
        except TargetRaised:
            return False
        if compiling is not None and compiling.tried():
            raise NotApplicable("compiled code is made for the devices that are here")
        if framework.info(y) != framework.info(x):
            return False
    return True


class _Calls:
    """The calls on one device in one dtype."""

    def __init__(
        self, probe: LiveProbe[DtypeCase], device: FakeDevice, name: str, dtype: str, shape: tuple[int, ...]
    ) -> None:
        self._probe, self._device, self._name, self._dtype = probe, device, name, dtype
        self._x = device.ones(shape, dtype)

    def wrong(self) -> list[Wrong]:
        """Return what is wrong there.

        Raises:
            NotApplicable: If the framework cannot make such a call without the hardware.
        """
        found = []
        for training in self._probe.modes:
            layer = self._layer()
            calls, output = [], ""
            for _ in range(CALLS if training else 2):
                with self._device.watched() as passed:
                    try:
                        output = self._output(layer, training=training)
                    except (TargetRaised, RuntimeError) as error:  # the latter of what is done with x for the target
                        if not any(passage.what in RAISING for passage in passed):
                            raise NotApplicable(f"{_type(self._name)}: {_reason(error)}") from error
                calls.append(passed)
                if any(passage.what in RAISING for passage in passed):
                    break
            found += [Wrong(self._name, self._dtype, training, *one) for one in _passed(calls)]
            if output:
                found.append(Wrong(self._name, self._dtype, training, OUTPUT, output))
        return found

    def _layer(self) -> Layer:
        """Return a layer as a model on the device holds it."""
        layer = self._probe.make(DROP_PROB)
        try:
            layer.convert("float32", self._name)
        except NotApplicable:
            pass  # a function
        except TargetRaised as error:
            raise NotApplicable(
                f"{_type(self._name)}: what the layer holds cannot be moved: {_reason(error)}"
            ) from error
        return layer

    def _output(self, layer: Layer, *, training: bool) -> str:
        """Return how what comes back differs from x, in words; an empty text where it does not."""
        info = self._probe.framework.info
        promised, got = info(self._x), info(layer(self._x, training=training))
        return "" if got == promised else f"{promised} comes back as {got}"


def _reason(error: Exception) -> str:
    """Return the first sentence of what was raised."""
    text = error.text if isinstance(error, TargetRaised) else first_line(error)
    return (text or str(error)).partition(". ")[0]


def _passed(calls: Sequence[Sequence[Passage]]) -> list[tuple[str, str]]:
    """Return kinds and words of what passes in calls, each kind once."""
    found: dict[str, str] = {}
    for passage in (passage for call in calls for passage in call):
        if passage.what == MET:
            found.setdefault(MET, f"{passage.op} mixes the device and the CPU ({passage.tensor}), and raises")
        elif passage.what == STRAYED:
            text = f"{passage.op} raises: {passage.tensor}, on which x is, and the former is the current device"
            found.setdefault(STRAYED, text)
        elif passage.what == READ:
            op = NAMES.get(passage.op, passage.op)
            found.setdefault(READ, f"{op} of {passage.tensor} waits for the device: it synchronises")
    # Of what is copied in every call, that is random which is another each time.
    # Numbers without axes are decisions or seeds of the CPU's own.
    drawn = [passage for call in calls for passage in call if passage.what == DRAWN and passage.sized]
    each = [[passage for passage in call if passage.what == MOVED] for call in calls[1:]]
    for number, moved in enumerate(each[0] if each else ()):
        others = [call[number] if number < len(call) else None for call in each]
        if all(other is not None and other.values == moved.values for other in others):
            found.setdefault(CONSTANT, f"{moved.tensor} is made on the CPU and copied in every call")
        elif drawn and all(passage.named for passage in drawn):
            found.setdefault(NAMED, f"{moved.tensor}, drawn from a generator of the CPU, is copied to the device")
        else:
            found.setdefault(RANDOM, f"{moved.tensor} is made at random on the CPU and copied to the device")
    return list(found.items())
