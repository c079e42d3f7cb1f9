"""What each item of a SPEC means, in a few words: the table of ``docs/spec.md``."""

from __future__ import annotations

MEANINGS = (
    (("granularity=sample", "granularity=batch", "granularity=element", "granularity=channel"),
     "what one decision covers; a channel is at axis 1"),
    (("scaling=inverted", "scaling=none", "scaling=eval"),
     "1/keep_prob in training; not at all; keep_prob in evaluation"),
    (("form=branch", "form=residual"), "x → y; (x, branch) → x + y"),
    (("form=factory", "form=residual-factory"),
     "`make(drop_prob)` returns `f(x, training) -> y`; `f(x, shortcut, training) -> shortcut + y`"),
    (("keep_prob_zero=zeros", "keep_prob_zero=raises"),
     "at keep_prob = 0 all is dropped; the target refuses it with ValueError, on purpose"),
    (("across=seeds", "across=pairs", "across=pairs-of-one-seed"),
     "what ranks of a training decide: as their seeds are; pairs of ranks decide alike, whatever their seeds"),
    (("prob=NAME:drop", "prob=NAME:keep"), "which argument is the probability, and of what"),
    (("training=NAME", "training=!NAME", "training=init:NAME", "training=always"),
     "how the mode is told; `!` where the flag means evaluation"),
    (("init.NAME=VALUE", "arg.NAME=VALUE", "args=a,b"), "constructor and call arguments; positional ones"),
    (('init.cfg={"width":8}', "prob=cfg.rate:drop"),
     "fields of a configuration object, which is made of them and of likely values"),
    (("call=(x,p,training)", "call=([r,x])"),
     "the call by roles: x branch output, r shortcut, p probability, training, f branch function, key, b batch index"),
    (("branch=NAME",), "the constructor argument that takes the branch"),
    (("output=0", "output=KEY", "output=.NAME", "output=mask"),
     "which of several outputs (read from a call where not said); or what is returned is the mask"),
    (("axis=1", "shared=2"),
     "where the batch is, for sequences first; an axis, of four, along which decisions are shared"),
    (("batch=8",), "batches are filled up to a multiple of it, for targets that take no others"),
    (("dtypes=float32,bfloat16",), "the only ones that the target takes"),
    (("framework=torch", "framework=paddle", "framework=numpy"), "where the code does not tell"),
    (("input=B,4,8,8",), "inputs of fixed rank or size; B is the batch"),
)  # fmt: skip
"""Items that belong together, as they are written, with what they mean (Markdown)."""
