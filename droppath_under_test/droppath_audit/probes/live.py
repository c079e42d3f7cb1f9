"""The live probe: it drives a target."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from droppath_audit.core.errors import ChangedShape, NotApplicable, TargetRaised, TimeRanOut
from droppath_audit.probes.calls import Calls, Refused, whole
from droppath_audit.probes.clock import SHARE
from droppath_audit.probes.comparing import Compared
from droppath_audit.probes.counting import Counts, Sampler
from droppath_audit.probes.driver import Driver
from droppath_audit.probes.gradients import gradient_of
from droppath_audit.probes.instances import Instances
from droppath_audit.probes.masks import MaskSource
from droppath_audit.probes.probe import Case_co
from droppath_audit.probes.values import moderate
from droppath_audit.probes.wrapped import CalledBetween, ChangedBetween
from droppath_audit.recordings.dtypes import encode, readable
from droppath_reference.law import FORMATS, evaluation_interval, round_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from droppath_audit.core.check import Stopping
    from droppath_audit.frameworks.base import Tensor
    from droppath_audit.frameworks.target import Layer, Target
    from droppath_audit.probes.calls import Decisions
    from droppath_audit.probes.probe import Draw, Request

    Floats = npt.NDArray[np.float64]

TOGETHER = 2**20  # elements of outputs that are kept at a time, and of one x whose values are looked at
PERIOD = 4099  # elements, a prime, after which the values of a large sample repeat: no axis is a multiple of it
LARGE = 16  # elements of a sample from which on their number is what costs
INSTANCES = ("an instance", "another instance", "a deep copy", "another deep copy")
PAIRS = ((0, 1), (0, 2), (2, 3))


class LiveProbe(Driver[Case_co]):
    """Answers by driving a target; see ``probes.probe.Probe``; what only a target can be asked is the driver's.

    Args:
        target: The target.
        at: Where the check runs.
        rng: Randomness of the trial.
        stopping: What ends ``count``; None for checks that are not sequential.
        load: Loads another target by its SPEC, to be compared with.
    """

    def __init__(
        self,
        target: Target,
        at: Case_co,
        rng: np.random.Generator,
        stopping: Stopping | None = None,
        load: Callable[[str], Target] | None = None,
    ) -> None:
        super().__init__(target, at, rng)
        self._stopping, self._load = stopping, load
        self._source: MaskSource | None = None
        self._together: tuple[list[tuple[str, MaskSource]], str] | None = None

    def beside(self, spec: str) -> Target:
        """Return another target, to be compared with.

        Raises:
            NotApplicable: If nobody loads one here.
        """
        if self._load is None:
            raise NotApplicable("no other implementation can be loaded here")
        return self._load(spec)

    def count(self) -> Counts:
        """Draw decisions until the trial's stopping rule has seen enough, or the effort's time is up."""
        if self._stopping is None:
            raise ValueError("only a sequential trial has a rule that ends its counting")
        # What a check asks beside its certificate is little.
        counts = self._sampler(self.drop_prob, self.features(), 0.9).draw_until(self._stopping)
        self.drawn += counts.decisions
        return counts

    def _sampler(self, drop_prob: float, features: tuple[int, ...], share: float) -> Sampler:
        layer = self.make(drop_prob)
        return Sampler(
            self.framework, layer, self._at, self.dtype, features, clock=self.clock, share=share, in_time=self.in_time
        )

    def frequencies(self, sizes: Mapping[float, int], *, declared: bool = False) -> list[Counts]:
        """Draw so many decisions at each drop_prob, on the smallest samples or on those that the SPEC declares."""
        features, found = self.declared(1)[1:] if declared else self.features(), []
        for number, (drop_prob, size) in enumerate(sizes.items()):
            # Each has its part of the time that is left, and what it does not need the next ones have.
            share = 1.0 / (len(sizes) - number + declared)
            found.append(self._sampler(drop_prob, features, share).draw(size))
            self.drawn += found[-1].decisions
        return found

    def _decided(self, batch: int) -> int:
        """Return how many decisions a call makes for so many samples."""
        return 1 if self._at.per_call else batch

    def decisions(self, calls: int, batch: int, *, share: float = SHARE) -> list[Decisions]:
        """Draw masks from one layer, later ones with every question."""
        if self._source is None:
            self._source = self.source()
        batch = self.in_time(batch)
        masks = self._source.draw(calls, batch, self.clock.part(share))
        self.drawn += len(masks) * self._decided(batch)
        # Where a call is one decision its first sample speaks for it; that the others agree is DP104's to show.
        return [whole(masks[:, :1] if self._at.per_call else masks, batch)]

    def afresh(self, seen: list[Decisions], calls: int, batch: int) -> list[Decisions]:
        """Draw further masks."""
        return self.decisions(calls, batch)

    def multiplicity(self, looked_at: int) -> int:
        """Return 1: whatever was searched, the decisions that are tested are fresh."""
        return 1

    def by_batch(self, calls: Mapping[int, int]) -> tuple[list[Decisions], dict[int, str]]:
        """Draw masks in batches of each size."""
        found, raised = [], {}
        for batch, number in calls.items():
            try:
                found += self.decisions(number, batch)
            except TargetRaised as error:
                raised[batch] = str(error)
            except TimeRanOut:
                if not found:
                    raise
                break
        return found, raised

    def instances(self, calls: int, batch: int) -> Instances:
        """Draw masks of two instances and of two deep copies of the first, called in turn under one seed."""
        if self._together is None:
            self._together = self._instances()
        (sources, without), batch, time = self._together, self.in_time(batch), self.clock.part()
        masks = {name: np.empty((calls, batch), dtype=np.bool_) for name, _ in sources}
        for number in range(calls):
            if number and time.over():
                masks, calls = {name: found[:number] for name, found in masks.items()}, number
                break
            for name, source in sources:
                masks[name][number] = source.draw(1, batch)[0]
        self.drawn += len(sources) * calls * self._decided(batch)
        pairs = tuple((INSTANCES[one], INSTANCES[other]) for one, other in PAIRS if other < len(sources))
        return Instances(masks, dict.fromkeys(masks, np.arange(calls)), pairs, without)

    def _instances(self) -> tuple[list[tuple[str, MaskSource]], str]:
        self.framework.seed(int(self.rng.integers(2**32)))
        layers = [self.make() for _ in range(2)]
        # A generator or a cache that is made by the first call is there to be copied.
        self.source(layers[0]).draw(1, 1)
        without = ""
        try:
            layers += [layers[0].copied("deepcopy") for _ in range(2)]
        except (NotApplicable, TargetRaised) as error:
            without = str(error)
        return [(name, self.source(layer)) for name, layer in zip(INSTANCES, layers, strict=False)], without

    def calls(self, *requests: Request, drop_prob: float | None = None) -> Iterator[Calls]:
        """Call one layer as the requests say."""
        p = self.drop_prob if drop_prob is None else drop_prob
        layer = self.make(p)
        for request, shape, first in self._asked(requests):
            yield from self._calls(layer, p, request, shape, first)

    def by_features(
        self, request: Request, features: Sequence[tuple[int, ...]], drop_prob: float
    ) -> Iterator[Calls | Refused]:
        """Call one layer with samples of each of these features; of a shape that the SPEC fixes, with those alone."""
        layer, fixed = self.make(drop_prob), self.target.fixed_shape
        for sample in features if fixed is None else (fixed[1:],):
            try:
                yield from self._calls(layer, drop_prob, request, (request.batch, *sample))
            except (NotApplicable, TargetRaised) as error:
                yield Refused(sample, str(error))

    def _calls(
        self, layer: Layer, drop_prob: float, request: Request, shape: tuple[int, ...], first: int = 0
    ) -> Iterator[Calls]:
        values = self._values(request.values, shape)
        x, shortcut = self.tensor(values), self._shortcut(values, request)
        clean = self.framework.bits(x)
        step, time = max(1, TOGETHER // max(1, values.size)), self.clock.part()
        for start in range(0, request.calls, step):
            outputs: list[Tensor] = []
            for _ in range(min(step, request.calls - start)):
                if (start or outputs) and time.over():
                    break
                outputs.append(self._call(layer, x, shortcut))
                if not np.array_equal(self.framework.bits(x), clean):
                    x = self.tensor(values)  # a target that writes to its input breaks DP004, not this promise
            if outputs:
                self.drawn += len(outputs) * self._decided(shape[0])
                yield self._told(drop_prob, values, clean, outputs, request, first + start)

    def _asked(self, requests: Sequence[Request]) -> Iterator[tuple[Request, tuple[int, ...], int]]:
        """Yield each request with its shape and the index of its first call, then looks at the declared shape.

        What is asked for in numbers is asked for on samples as small as the target takes. Where the SPEC declares
        larger ones, one call follows on those for each kind of request: a layer may be wrong at that size alone.
        """
        first, kinds = 0, dict[tuple[Any, ...], Any]()
        for request in requests:
            shape, calls = self._shape(request), request.calls
            size = prod(shape[1:])
            if size > LARGE:
                samples = max(2, self._at.effort.examined // (size * len(requests)))
                shape = (min(shape[0], samples), *shape[1:])
                calls = min(calls, max(1, samples // max(1, shape[0])))
            yield replace(request, calls=calls), shape, first
            declared = self.declared(request.batch)
            if self.target.fixed_shape is not None and shape[1:] != declared[1:]:
                look = replace(request, calls=1), declared, first
                kinds.setdefault(
                    (request.values, request.wide, request.shortcut, request.evaluated, request.changed), look
                )
            first += request.calls
        yield from kinds.values()

    def _shape(self, request: Request) -> tuple[int, ...]:
        sample = self.features(wide=request.wide)
        most = max(1, (request.elements or TOGETHER) // max(1, prod(sample)))
        return (self.in_time(min(request.batch, max(most, 1 if request.elements else 2))), *sample)

    def _values(self, draw: Draw, shape: tuple[int, ...]) -> Floats:
        """Return values of this shape; those of a large sample repeat, since drawing is what costs most."""
        size = prod(shape[1:])
        if size <= PERIOD:
            return draw(self.rng, shape, self.dtype)
        return np.resize(draw(self.rng, (shape[0], PERIOD), self.dtype).T, (size, shape[0])).T.reshape(shape)

    def _shortcut(self, values: Floats, request: Request) -> Tensor:
        return self.tensor(np.full(values.shape, request.shortcut)) if self.residual and request.shortcut else None

    def _call(self, layer: Layer, x: Tensor, shortcut: Tensor) -> Tensor:
        if shortcut is None:
            return layer(x, training=True)
        return layer.with_shortcut(x, shortcut, training=True)

    def _told(
        self,
        drop_prob: float,
        values: Floats,
        bits: npt.NDArray[np.uint8],
        outputs: Sequence[Tensor],
        request: Request,
        first: int,
        **gradient: Any,
    ) -> Calls:
        """Return calls with one x as arrays.

        Raises:
            ChangedShape: If an output has another shape than x.
        """
        framework, shape, dtype = self.framework, values.shape, self.dtype
        flat = (len(outputs), shape[0], int(np.prod(shape[1:])))
        output_dtype = framework.info(outputs[0]).dtype
        arrays = [framework.numpy(output) for output in outputs]
        for output, array in zip(outputs, arrays, strict=True):
            if array.shape != shape:
                raise ChangedShape(f"{dtype}{list(shape)} became {framework.info(output)}", shape[0])
        y = np.stack(arrays).reshape(flat)
        telling = np.isfinite(values) & (np.abs(values) >= 2.0 ** FORMATS[dtype].min_exponent)
        if self.residual and request.shortcut:
            telling = readable(encode(values, dtype), encode(np.full(shape, request.shortcut), dtype), dtype)

        def repeated(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.broadcast_to(array.reshape(1, *flat[1:]), flat)

        return Calls(
            shape,
            dtype,
            drop_prob,
            self.at.dialect.granularity,
            repeated(values),
            y if output_dtype == dtype else round_to(y, dtype),
            np.broadcast_to(request.shortcut if self.residual else 0.0, flat),
            repeated(telling),
            repeated(bits.view("<u2")) if dtype in ("float16", "bfloat16") else None,
            first=first,
            output_dtype=output_dtype,
            **gradient,
        )

    def gradients(self, *requests: Request, drop_prob: float | None = None) -> Iterator[Calls]:
        """Run passes forward and backward through one layer as the requests say."""
        p = self.drop_prob if drop_prob is None else drop_prob
        layer, framework = self.make(p), self.framework
        time = self.clock.part()
        for request, shape, first in self._asked(requests):
            if first and time.over():
                return
            cotangent = self._values(moderate, shape)
            values = self._values(request.values, shape)
            x = self.tensor(values)
            clean = framework.bits(x)
            called: Any = CalledBetween(layer, evaluated=True) if request.evaluated else layer
            if request.changed is not None:
                try:
                    self.make(p).set_drop_prob(request.changed)
                except (NotApplicable, TargetRaised):
                    continue
                called = ChangedBetween(self.make(p), request.changed)
            result = gradient_of(self.target, called, x, self.tensor(cotangent))
            flat = (1, shape[0], int(np.prod(shape[1:])))
            gradient = None if result.gradient is None else framework.numpy(result.gradient).reshape(flat)
            yield self._told(
                p, values, clean, [result.output], request, first,
                gradient=gradient, cotangent=cotangent.reshape(flat), reason=result.reason,
            )  # fmt: skip

    def compare(self, *requests: Request, training: bool, drop_prob: float | None = None) -> Compared:
        """Compare outputs with x, in evaluation after a training call has gone before."""
        p = self.drop_prob if drop_prob is None else drop_prob
        layer, framework = self.make(p), self.framework
        scaled = self.target.dialect.scaling == "eval" and not training
        differing, elements, example, time = 0, 0, None, self.clock.part()
        for request, shape, _ in self._asked(requests):
            if elements and time.over():
                break
            x = self._values(request.values, shape)
            tensor = self.tensor(x)
            clean = framework.bits(tensor)
            if not training and p < 1.0:
                with suppress(TargetRaised):  # in training, which other checks say
                    layer(
                        self.tensor(x), training=True
                    )  # of its own: what training writes into its input, DP004 judges
            for call in range(request.calls):
                if call and time.over():
                    break
                y = layer(tensor, training=training)
                if framework.info(y) != framework.info(tensor):
                    return Compared(x.size, x.size, became=str(framework.info(y)))
                if scaled:
                    wrong = _outside(framework.numpy(y), *evaluation_interval(x, p, self.dtype, scaling="eval"))
                elif self.residual:
                    wrong = _unequal(framework.numpy(y), x)  # 0 + x turns -0 into +0
                else:
                    # What a target writes into its input in evaluation, DP004 judges.
                    clean = clean if training else framework.bits(tensor)
                    wrong = np.any((framework.bits(y) != clean).reshape(x.size, -1), axis=1).reshape(x.shape)
                got, before = (framework.numpy(y), x) if wrong.any() else (x, x)
                if wrong.any():
                    wrong &= ~(np.isnan(got) & np.isnan(before))  # which NaN it is, nobody promises
                if self.residual and not training and not wrong.any():
                    before = moderate(self.rng, x.shape, self.dtype)
                    got, wrong = self._beside(layer, tensor, y, before)
                differing, elements = differing + int(np.count_nonzero(wrong)), elements + x.size
                if example is None and wrong.any():
                    example = (float(before[wrong][0]), float(got[wrong][0]))
        return Compared(differing, elements, example)

    def _beside(self, layer: Layer, x: Tensor, y: Tensor, shortcut: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return the output in evaluation beside a shortcut, and where it is not the shortcut plus ``y``."""
        other = self.tensor(shortcut)
        total = self.framework.numpy(layer.with_shortcut(x, other, training=False))
        return total, _unequal(total, self.framework.numpy(self.framework.add(other, y)))


def _unequal(got: Floats, promised: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(~((got == promised) | (np.isnan(got) & np.isnan(promised))))


def _outside(got: Floats, low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(~((low <= got) & (got <= high)))
