"""Admitting a target: a few calls in a fork show what it takes before anything is planned, or end the audit there."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from droppath_audit.core import wire
from droppath_audit.core.errors import NeedsFactory, UsageError
from droppath_audit.core.grid import DTYPES
from droppath_audit.core.invocation import Invocation
from droppath_audit.core.output import NUMBER
from droppath_audit.core.recording import Recording
from droppath_audit.frameworks.capabilities import Compiling, Forking, has
from droppath_audit.frameworks.guarded import can_be_guarded, guarded
from droppath_audit.frameworks.process_state import ProcessState
from droppath_audit.targets.bodies import parts_made
from droppath_audit.targets.own_code import on_by_default
from droppath_audit.targets.table import completed, proposing

if TYPE_CHECKING:
    from droppath_audit.core.facts import Facts
    from droppath_audit.probes.admission import Admission
    from droppath_audit.targets.bound import BoundTarget
    from droppath_audit.targets.loader import Loaded

MASK = "zeros and one other number come back whatever x is: if that is the mask, add output=mask to the SPEC"
TOGETHER = "every call keeps or drops all samples: DP104 judges that, and all others take it as it is"
ROLES = ("x", "r", "p", "training", "f", "key", "b")
ADDS = "of a layer that returns its input where it skips the branch: the branch adds its output to that here"
NEITHER = "at drop_prob = 0 it returns neither what that returned nor the shortcut plus that."
OF_GPUS = {"cuda", "gpu", "gpus"}  # words in the name of an argument that asks for one
PATIENT_SECONDS = 20.0  # for one that was late
_BARE = re.compile(r"no attribute '_(modules|parameters|buffers|\w*hooks\w*)'|before Module.__init__\(\) call")
ASKING_SECONDS = 10.0  # in which a fork answers; without an answer the trials show what is the matter


def admitted(loaded: Loaded, *, calls: bool = True) -> Loaded:
    """Return a target with what its calls showed; one that was admitted before as it is.

    Args:
        loaded: The target.
        calls: Whether it may be called; without that only an open form is refused.

    Raises:
        UsageError: If every call raises, if it is a network that holds such layers, or if its form stays open.
    """
    facts, target = loaded.facts, loaded.target
    if loaded.admitted or isinstance(target, Recording):
        return loaded
    shown = _asked(target, facts) if calls else {}
    taken = {dtype: one for dtype, one in shown.items() if not one.raised}
    if shown and not taken:
        refused = next(iter(shown.values()))
        raise _network(facts, refused) if refused.inside else _all_raise(facts, refused, target)
    if not taken and target.form_open:
        raise _form_open(facts, "could not be called to see whether it adds the shortcut.")
    if not taken:
        return replace(loaded, admitted=calls)
    first = next(iter(taken.values()))
    if first.misplaced:
        raise _misplaced(facts, target)
    if first.index is not None:
        note = f"{target.index}={first.index}, the layer of the stack that drops at the rate that it is given"
        target = target.at(first.index)
        facts = replace(
            facts,
            called=target.binding.called(),
            invocation=_invocation(facts, target),
            notes=(*facts.notes, note),
        )
    if first.inside:
        raise _network(facts, first)
    if target.form_open and not first.form:
        raise _form_open(facts, NEITHER)
    if first.form:
        how = ADDS if first.adds else "by what a call at drop_prob = 0 returns"
        target = target.prepared(adds=first.adds).declaring(form=first.form)
        facts = replace(
            facts,
            dialect=target.dialect,
            called=target.binding.called(),
            invocation=_invocation(facts, target),
            notes=(*facts.notes, f"form={first.form}, {how}"),
        )
    if first.doubles:
        raise _doubles(facts, target)
    if first.computes:
        raise _computes(facts, first)
    follows = any(one.follows for one in taken.values())
    prepared = {
        **({"follows": True} if follows else {}),
        **({"several": True} if first.several else {}),
        **({"neutral": first.neutral} if first.neutral else {}),
        **({"ranks": first.ranks} if first.ranks else {}),
        **({"output": first.output} if first.output is not None else {}),
        **({"input": (-1, *first.fixed)} if first.fixed else {}),
    }
    if prepared:
        target = target.prepared(**prepared)
        facts = replace(
            facts,
            fixed_shape=target.fixed_shape,
            ranks=first.ranks,
            invocation=_invocation(facts, target),
            notes=(*facts.notes, *_shown(first, follows=follows)),
        )
    if first.swapped or first.mask:
        facts = replace(facts, hint=_swapped(target) if first.swapped else MASK)
    if first.together:
        # One check says that this was not declared; for all others it is as if it had been.
        target = target.declaring(granularity="batch")
        facts = replace(facts, decides_per_call=True, notes=(*facts.notes, TOGETHER))
    if first.numbers or target.binding.multiplies:  # which are real, and a product of complex numbers spreads NaN
        facts = replace(facts, dtypes=facts.dtypes or DTYPES)
    undeclared = target.dialect.keep_prob_zero != "raises" and all(one.refuses_keep_prob_zero for one in taken.values())
    facts = replace(
        facts,
        refused={dtype: one.raised for dtype, one in shown.items() if one.raised},
        refuses_keep_prob_zero=undeclared,
        smallest=None if facts.fixed_shape is None else first.smallest,
    )
    target = target.declaring(keep_prob_zero="raises") if undeclared else target
    return replace(loaded, target=target, facts=facts, admitted=True)


def _asked(target: BoundTarget, facts: Facts) -> dict[str, Admission]:
    """Return what calls in each dtype showed, of those that ended; each has a fork of its own.

    float32 comes first, where it is taken. The first that is taken says what the dtype has no part in.
    """
    from droppath_audit.probes.admission import Admission, admission
    from droppath_audit.probes.concurrency import in_processes

    forking, compiling = has(target.framework, Forking), has(target.framework, Compiling)
    device, there = next(iter(facts.devices.items()))
    if not hasattr(os, "fork") or forking is None or forking.fork_hazard(device):
        return {}
    # Of other dtypes the checks that ask for them say what they find.
    asked = [dtype for dtype in facts.dtypes or DTYPES if dtype in there]
    dtypes = sorted(asked, key=lambda dtype: dtype != "float32")

    def ask(state: ProcessState, dtype: str, *, whole: bool) -> bytes:
        with compiling.compiled_anew() if compiling else nullcontext():  # or its limits would look like refused ranks
            return answer(state, dtype, whole=whole)

    def answer(state: ProcessState, dtype: str, *, whole: bool) -> bytes:
        shown = admission(target, device, dtype, whole=whole)
        changes = [change for change in state.changes() if can_be_guarded(change)]
        if changes:  # what a call left behind may have been the end of the next one
            state.restore()
            shown = admission(guarded(target, state, changes), device, dtype, whole=whole)
        return json.dumps(wire.dump(shown)).encode()

    def answers(dtypes: list[str], seconds: float) -> dict[str, Admission]:
        with target.framework.one_thread():
            state = ProcessState.taken(target.framework)
            asked = [partial(ask, state, dtype, whole=dtype == dtypes[0]) for dtype in dtypes]
            found = zip(dtypes, in_processes(asked, seconds), strict=True)
        return {dtype: wire.load(Admission, json.loads(ran.value)) for dtype, ran in found if not ran.problem}

    shown = answers(dtypes, ASKING_SECONDS)
    taken = [dtype for dtype in shown if not shown[dtype].raised]
    if not shown or (taken and taken[0] != dtypes[0]):
        # A first call may import what takes long, in every fork anew: alone it is waited for.
        late = [] if dtypes[0] in shown else dtypes[:1]
        again = next((found for dtype in (*late, *taken[:1]) if (found := answers([dtype], PATIENT_SECONDS))), {})
        shown = {**again, **shown, **again}  # which comes first, as it says the most
    return shown


def _all_raise(facts: Facts, shown: Admission, target: BoundTarget) -> UsageError:
    """Return what to say of a target of which no call succeeds."""
    places = [line.strip() for line in shown.traceback.splitlines() if line.strip().startswith("File")]
    file = facts.origin.rpartition(":")[0]
    where = next((place for place in reversed(places) if file and file in place), places[-1] if places else "")
    said = f"Every call of {facts.spec} in training raised, so there is nothing to audit: {shown.raised}" + (
        f"\n  {where}" if where else ""
    )
    cuda = "cuda" in shown.raised.lower()
    if cuda and (switch := on_by_default(target.obj, OF_GPUS)):
        item = f"{switch}=false"
        command = f"droppath-audit {shlex.quote(completed(facts.spec, [item]))}"
        advice = f"\nRun next, with {item}, since there is no GPU:"
        return UsageError(said, shown.traceback, advice=advice, command=command)
    if _BARE.search(shown.raised):
        return UsageError(
            f"{said}\nIts constructor does not call super().__init__() before anything else.", shown.traceback
        )
    if cuda and "cuda" not in facts.devices:
        command = f"droppath-audit {shlex.quote(facts.spec)} --device cuda"
        return UsageError(said, shown.traceback, advice="\nRun next, where there is a GPU:", command=command)
    if "form=factory" in facts.spec:  # another factory of this one would raise as well
        return UsageError(f"{said}\nIt was called as {facts.called}. Mend the factory there.", shown.traceback)
    # What makes layers with weights is a block, which takes what these do: a factory may find that by trying.
    block = inspect.isclass(target.obj) and bool(parts_made(target.obj))
    return (NeedsFactory if block else UsageError)(
        said,
        shown.traceback,
        advice=f"\nIt was called as {facts.called}, with x of one and of four axes. What may help:"
        "\n  input=B,4,8,8      if it takes other shapes than (B, 1), (B, 1, 1), (B, 1, 1, 1) and (B,)"
        f"\n  call=(x,p,training) if it is called in another way"
        "\nOr a factory to edit:",
        command=proposing(facts.spec),
    )


def _network(facts: Facts, shown: Admission) -> UsageError:
    """Return what to say of a target that holds layers that drop paths, and does more than they do."""
    listed = ", ".join(shown.inside[:6]) + (" …" if len(shown.inside) > 6 else "")
    does = "takes no plain tensors" if shown.raised else "changes its input where nothing is dropped"
    return UsageError(
        f"{facts.spec} is a network, not a layer: it {does}, and inside it are "
        f"{len(shown.inside)} layers that drop paths: {listed}.",
        advice=" Audit the class of one of these, or the whole network:",
        command=f"droppath-audit model {shlex.quote(facts.spec)}",
    )


def _shown(first: Admission, *, follows: bool) -> list[str]:
    """Return what calls have shown, for the header."""
    notes = [
        f"{name} is set to {value:g}, with which the layer returns x where nothing is dropped"
        for name, value in first.neutral.items()
    ]
    if follows:
        notes.append("it is converted to the dtype of x, as the model that holds it is")
    if first.several:
        notes.append("the branch that it is given returns a tuple, of its output and all that it is given beside x")
    if first.output == NUMBER:
        notes.append("a number that comes back is taken for a tensor full of it: DP005 judges that")
    elif first.output == "mask":
        notes.append("output=mask, by its name, and zeros and one other number come back whatever x is")
    elif first.output is not None:
        notes.append(f"output={first.output}: of several outputs the first tensor is audited")
    if first.ranks:
        notes.append(f"x of rank {', '.join(map(str, first.ranks))} alone is taken: the others are DP005's finding")
    if first.fixed:
        notes.append(f"input=B,{','.join(map(str, first.fixed))}, by the number of channels that it is given")
    return notes


def _roles(target: BoundTarget) -> list[str]:
    """Return the roles of a target's call that ``call=`` names, in order."""
    return [slot.role for slot in target.binding.call if slot.role in ROLES]


def _exchanged(roles: list[str]) -> list[str]:
    """Return roles with shortcut and branch output in each other's place."""
    return [{"x": "r", "r": "x"}.get(role, role) for role in roles]


def _call(roles: list[str]) -> str:
    return f"call=({','.join(roles)})"


def _misplaced(facts: Facts, target: BoundTarget) -> UsageError:
    name = target.index.partition(".")[2]
    return UsageError(
        f"{facts.spec} is a layer of a stack by its argument {name}, and none of the first drops at the rate that it "
        "is given: each would be judged by a rate that is not its own.",
        advice=f" Add {target.index}=NUMBER for the one that does, or give a factory whose function drops at the rate "
        "that it is given:",
        command=proposing(facts.spec),
    )


def _swapped(target: BoundTarget) -> str:
    other = _call(_exchanged(_roles(target)))
    return (
        "where everything is dropped the branch comes back, and not the shortcut: if their roles are swapped, add "
        f"{other} to the SPEC"
    )


def _computes(facts: Facts, shown: Admission) -> UsageError:
    names = ", ".join(shown.computes[:6]) + (" …" if len(shown.computes) > 6 else "")
    return NeedsFactory(
        f"{facts.spec} is more than a layer that drops: where nothing is dropped it does not return x, whatever the "
        f"values of {names}.",
        advice=" Audit the class that drops, or the block by a factory, which shows how it drops:",
        command=proposing(facts.spec),
    )


def _doubles(facts: Facts, target: BoundTarget) -> UsageError:
    """Return what to say of a target that returns 2 x: it adds a shortcut, which it was given as x or computes."""
    roles = _roles(target)
    if roles.count("x") == 2:
        roles[roles.index("x")] = "r"
        return UsageError(
            f"{facts.spec} is given x twice and returns the sum where nothing is dropped: one of the two is the "
            "shortcut (r), which is never dropped.",
            advice=f" Run next, or with {_call(_exchanged(roles))} if the second is:",
            command=f"droppath-audit {shlex.quote(completed(facts.spec, [_call(roles)]))}",
        )
    return UsageError(
        f"{facts.spec} returns 2 x where nothing is dropped: it adds its input to a branch of its own, which is x "
        "here, and what it drops cannot be told from what it adds.",
        advice=" Give it a branch, or a factory whose function drops alone:",
        command=proposing(facts.spec),
    )


def _invocation(facts: Facts, target: BoundTarget) -> Invocation:
    """Return how scripts drive a target of which calls have shown more."""
    imports = facts.invocation.imports if isinstance(facts.invocation, Invocation) else ()
    return target.binding.invocation(imports)


def _form_open(facts: Facts, why: str) -> UsageError:
    reason = f"{facts.spec} is given the branch, and {why}"
    if not facts.importable:
        return UsageError(reason, advice=" Add form=residual or form=branch to say which it promises.")
    return UsageError(
        reason,
        advice=" Run next, or with form=residual if it promises to add the shortcut:",
        command=f"droppath-audit {shlex.quote(completed(facts.spec, ['form=branch']))}",
    )
