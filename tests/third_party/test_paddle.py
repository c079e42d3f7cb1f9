"""PaddleDetection, PaddleSeg, PaddleClas and the tutorials' layer: the exact set of checks that fail, by dtype.

Paddle's CPU kernels know float64, float32, complex64 and complex128; float16 and bfloat16 lack even addition there, so
the law of the floor family in low precision cannot be met on a CPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # paddle's import misses a compiler cache, aloud
    pytest.importorskip("paddle")

BOTH = {"float64", "float32"}
ZOO = "paddleclas.ppcls.arch.backbone.model_zoo"

DIVIDES_BY_ZERO = {
    "DP301": BOTH,  # x/0 times 0 is NaN
    "DP302": BOTH,  # and so is the gradient
    "DP402": {"float64"},  # which agrees with no finite difference, at drop_prob = 1 alone
    "DP601": BOTH,  # the smallest failing call has drop_prob = 1
}
FUNCTION = {
    "DP007": {"float64"},  # -0.1, 1.5 and NaN are accepted
    "DP305": {"float64"},  # a tensor of rank 0 has no axis 0, and IndexError comes up where that is looked for
}
LAYER = FUNCTION | {"DP008": {"float64"}}  # the repr does not show drop_prob
NOTHING_IS_DROPPED = {
    "DP003": {"float64"},  # neither mode drops
    "DP101": BOTH,  # all are kept, at any drop_prob
    "DP102": BOTH,  # outputs for x = 1 have many values
    "DP104": BOTH,  # every batch is kept as a whole
    "DP201": BOTH,  # kept values are x times noise
    "DP202": BOTH,  # none is zero
    "DP203": BOTH,  # the mean is not x
    "DP204": BOTH,  # nor the variance DropPath's
    "DP301": BOTH,  # at keep_prob = 0 the output is x times noise
    "DP302": BOTH,  # and the gradient is the noise
    "DP303": BOTH,  # near both ends as in between
    "DP401": BOTH,  # the gradient is the noise, not mask over keep_prob
    "DP501": {"float32"},  # two seeds give the same decisions: all kept
    "DP601": BOTH | {"complex64", "complex128"},  # the values, in any call in training
}

BROKEN = {
    "ppdet.modeling.backbones.transformer_utils:DropPath": DIVIDES_BY_ZERO,
    "ppdet.modeling.backbones.transformer_utils:drop_path": DIVIDES_BY_ZERO,
    "paddleseg.models.backbones.transformer_utils:DropPath": DIVIDES_BY_ZERO,
    f"{ZOO}.vision_transformer:DropPath": DIVIDES_BY_ZERO,
    f"{ZOO}.cae:DropPath": DIVIDES_BY_ZERO,
    f"{ZOO}.efficientnet_v2:drop_path": DIVIDES_BY_ZERO,
    f"{ZOO}.efficientnet:_drop_connect": DIVIDES_BY_ZERO
    | {
        "DP005": BOTH,  # the mask has rank 4, and broadcasts x of any other to it
        "DP304": BOTH,  # as small tensors show as well
        "DP601": BOTH | {"complex64", "complex128"},  # and the first generated call
    },
    "droppath_audit.samples.paddle_tutorial:DropPath": {},
    "droppath_audit.samples.paddle_tutorial:DropPathNeverFloored": NOTHING_IS_DROPPED,
}
"""MUSTs that fail, by check and dtype."""

DRAWS_FOR_NOTHING = FUNCTION | {"DP503": {"float32"}}  # a mask is drawn at drop_prob = 0 as well
REMARKS = {
    "ppdet.modeling.backbones.transformer_utils:DropPath": LAYER,
    "ppdet.modeling.backbones.transformer_utils:drop_path": FUNCTION,
    "paddleseg.models.backbones.transformer_utils:DropPath": LAYER,
    f"{ZOO}.vision_transformer:DropPath": LAYER,
    f"{ZOO}.cae:DropPath": FUNCTION,  # its repr shows drop_prob
    f"{ZOO}.efficientnet_v2:drop_path": DRAWS_FOR_NOTHING,
    f"{ZOO}.efficientnet:_drop_connect": DRAWS_FOR_NOTHING,
    "droppath_audit.samples.paddle_tutorial:DropPath": LAYER,
    "droppath_audit.samples.paddle_tutorial:DropPathNeverFloored": LAYER,
}
"""SHOULDs and INFOs that are broken, by check and dtype."""

STANDARD = {spec for spec in BROKEN if spec.endswith("transformer_utils:DropPath") or "samples" in spec}
"""Audited at standard effort; the others share their code with one of these, and a quick audit shows the difference."""

EITHER: set[str] = set()
"""Trials that are held to no verdict, because the truth lies between 0 and the resolution."""


@pytest.fixture(scope="module", params=BROKEN)
def audited(request, tmp_path_factory):
    file = tmp_path_factory.mktemp("audit") / "report.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    effort = "standard" if request.param in STANDARD else "quick"
    words = [sys.executable, "-m", "droppath_audit", request.param, "--effort", effort, "--json", str(file)]
    run = subprocess.run(words, env=environment, capture_output=True, text=True)
    return request.param, run, json.loads(file.read_text())


def bad(report):
    return [
        result
        for result in report["results"]
        if result["verdict"] in ("fail", "error", "inconclusive") and result["trial"] not in EITHER
    ]


def test_exactly_these_checks_fail_in_exactly_these_dtypes(audited):
    spec, run, report = audited
    broken: dict[str, set[str]] = {}
    for result in bad(report):
        assert result["verdict"] == "fail", (result["trial"], result["message"])
        assert (result["level"] == "MUST") == (result["check"] in BROKEN[spec]), result["trial"]
        broken.setdefault(result["check"], set()).add(result["case"]["dtype"])
    assert broken == BROKEN[spec] | REMARKS[spec]
    assert run.returncode == report["exit_status"] == (1 if BROKEN[spec] else 0)


def test_everything_else_passes_or_says_why_it_does_not_apply(audited):
    spec, _, report = audited
    for result in report["results"]:
        if result["check"] not in BROKEN[spec] | REMARKS[spec]:
            assert result["verdict"] in ("pass", "not-applicable")
            assert result["message"]


def test_what_paddle_lacks_on_a_cpu_is_said_and_not_passed(audited):
    _, _, report = audited
    by_trial = {result["trial"]: result for result in report["results"]}
    for trial, reason in (
        ("DP001[cpu-float16-p0.5]", "paddle has no float16 on cpu"),
        ("DP102[cpu-bfloat16-p0.1]", "paddle has no bfloat16 on cpu"),
        ("DP601[cpu-float8_e5m2]", "cpu has no float8_e5m2"),
    ):
        assert (by_trial[trial]["verdict"], by_trial[trial]["message"]) == ("not-applicable", reason)
    layout = by_trial["DP006[cpu-float64]"]
    assert layout["verdict"] == "not-applicable"


def outcome_of(script):
    names = {"__name__": "snippet", "print": lambda *_, **__: None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(script, "<snippet>", "exec"), names)  # noqa: S102
        except AssertionError:
            return "fails"
        except Exception as error:
            return f"raises {error!r}"
    return "holds"


def test_one_snippet_of_every_check_that_fails_fails_by_assertion(audited):
    _, _, report = audited
    for result in {result["check"]: result for result in bad(report)}.values():
        assert (result["trial"], outcome_of(result["snippet"])) == (result["trial"], "fails")
