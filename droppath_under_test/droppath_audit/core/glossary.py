"""Words of reports and options, explained: what a newcomer cannot know."""

from __future__ import annotations

WORDS = {
    "alpha": (
        "The share of the budget that one statistical trial may spend: the probability with which it fails correct "
        "code."
    ),
    "audit": "All trials of one target: what 'droppath-audit SPEC' runs and reports.",
    "baseline": (
        "An earlier JSON report. What it found is known, and an audit with '--baseline FILE' fails for the rest alone."
    ),
    "budget": (
        "The bound on the probability that correct code fails anywhere in an audit: 1e-6, or what --budget says. "
        "Every statistical trial has a fixed share of it, so that running more or fewer of them changes no verdict."
    ),
    "case": "Where a check runs: a device, a dtype, a drop_prob, or a configuration of a call.",
    "cause": (
        "A mistake in the implementation, at the line where it arises, with the broken promises that it explains. It "
        "is found by running a finding's script again under observation."
    ),
    "cell": "One dtype at one drop_prob: a place of the grid at which a keep probability is certified.",
    "certificate": (
        "A test that stops as soon as it is sure: that a keep probability is not what was asked for, or that it is "
        "within the resolution of it."
    ),
    "check": (
        "One promise of DropPath, with an id such as DP301, a level, and how it is tested. 'droppath-audit list' "
        "shows all."
    ),
    "configuration": (
        "A point of everything that a call can vary in: shape, batch, strides, dtype, drop_prob, tracking, context, "
        "mode and past. DP114 meets every pair of classes of any two of these."
    ),
    "decision": "Whether one sample is kept or dropped: one bit of a mask.",
    "dialect": (
        "A legitimate variation that a target declares: what one decision covers (granularity), where kept samples "
        "are scaled (scaling), whether the shortcut is added (form), and whether keep_prob = 0 is refused."
    ),
    "drop-path": (
        "Dropping the residual branch of single samples during training, as stochastic depth does (Huang et al. "
        "2016). The name is that of FractalNet (Larsson et al. 2016), where paths between joins are dropped."
    ),
    "drop-prob": "p, the probability with which a decision drops: 0 drops nothing, 1 everything.",
    "effort": (
        "How finely an audit looks: quick sees a keep probability that is wrong by 0.005, standard by 0.0005, "
        "thorough by 0.0001."
    ),
    "evidence": "What a trial measured, as the JSON report has it: facts, of which a verdict follows.",
    "factory": (
        "A function make(drop_prob) of yours that returns f(x, training): how to audit what a SPEC cannot say. "
        "'droppath-audit propose SPEC' writes one."
    ),
    "family": "Checks whose ids begin alike: DP1xx is the law of the mask, DP3xx the edges. '--only DP3xx' runs one.",
    "finding": "A broken MUST, under --strict a broken SHOULD as well: what makes an audit fail.",
    "form": (
        "Whether a layer returns the branch that was kept or dropped (branch), or the sum of the shortcut and that "
        "(residual)."
    ),
    "granularity": "What one decision covers: a sample, the whole batch, or a single element.",
    "grid": "The drop_probs at which every dtype is tested: 0, 0.002, 0.1, 0.3, 0.5, 0.9, 0.998 and 1.",
    "inconclusive": "Nothing wrong was shown, but what was promised to be seen could not be: no pass.",
    "keep-prob": "q = 1 - p, the probability with which a decision keeps. It is also called survival probability.",
    "law": "The distribution of a mask: how often each sample is kept, and how decisions depend on each other.",
    "level": "What a broken promise weighs: MUST fails the audit, SHOULD fails it under --strict, INFO never does.",
    "mask": (
        "The decisions of one call: 1 for what is kept and 0 for what is dropped, in the shape that x is multiplied by."
    ),
    "mutant": (
        "A layer with a deliberate fault. Every check has some that it must find; 'droppath-audit selftest' shows it."
    ),
    "not-applicable": "A trial that has no meaning for this target, with the reason.",
    "promise": "What a check tests, in one sentence: 'droppath-audit list' shows all of them.",
    "rank": "One of several processes that share a run or a training: torchrun starts them and numbers them.",
    "recording": (
        "A file of calls that were made elsewhere, with inputs, outputs, drop_prob and mode, to be audited here."
    ),
    "reference": "The DropPath that the package brings, from which the right answers come: droppath_reference.",
    "resolution": (
        "The smallest discrepancy that is told from none, with the stated errors: what the column 'sees' shows."
    ),
    "role": (
        "What an argument of a layer is for: x, the shortcut r, the probability p, training, the branch f, a key, a "
        "batch index b. call=(x,p,training) in a SPEC says it."
    ),
    "scaling": (
        "Where kept samples are scaled: inverted by 1/keep_prob in training, eval by keep_prob in evaluation, none "
        "nowhere."
    ),
    "schedule": (
        "How the drop_probs of a model's blocks rise: linear from 0 to the largest, ends-early (l/L), paper "
        "((l+1)/L), constant, or stagewise. 'droppath-audit model' says which one a model follows."
    ),
    "seed": (
        "Of the audit: the same seed gives the same verdicts, whatever runs beside it; on a busy machine fewer lines "
        "of causes may be found in time. --seed fresh draws one."
    ),
    "sees": "The discrepancy that a trial finds with probability 0.999: a smaller one may pass.",
    "shortcut": "What a residual block adds its branch to; also called skip connection, identity or trunk.",
    "sound": (
        "Of an implementation: right, in a style of its own. Sound variants must pass; an alarm on one is a fault of "
        "the check."
    ),
    "spec": "What is audited, and how it is called: package.module:Name or file.py:Name, with items after a '?'.",
    "strict": "An option: a broken SHOULD is a finding as well.",
    "survival": "The share of samples that a layer of a model keeps: 1 minus its drop_prob, if all is well.",
    "target": "The implementation that is audited, made callable in one way.",
    "trial": "A check at one case, such as DP102[cpu-float16-p0.1]: what --only selects, and 'rerun' runs again.",
    "variant": (
        "A way to run the target: eager, as it is written, or compiled, exported, traced, scripted or mapped over "
        "samples; --variants names some."
    ),
    "verdict": "How a trial ended: pass, fail, inconclusive, error, waived or not applicable.",
    "waiver": "A broken promise that is known: it has a check, a reason and possibly a last day, in pyproject.toml.",
}
"""Each in a sentence or two, by the word."""
