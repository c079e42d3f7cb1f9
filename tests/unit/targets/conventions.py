"""Ways in which a DropPath is constructed, told its mode and called, with what must be read of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("targets_file.py")


@dataclass(frozen=True)
class Convention:
    """A target of targets_file.py with the items it needs, and the dialect that must come of it."""

    spec: str
    granularity: str = "sample"
    scaling: str = "inverted"
    form: str = "branch"
    evaluates: bool = True

    @property
    def text(self) -> str:
        return f"{FILE}:{self.spec}"


DROP_NAMES = (
    "drop_prob", "p", "drop_p", "drop_rate", "rate", "prob", "drop_path_rate", "drop_connect_rate", "death_rate",
    "sample_drop_rate", "sample_drop_ratio", "p_drop",
)  # fmt: skip
KEEP_NAMES = (
    "keep_prob", "survival_prob", "survival_probability", "survival_rate", "drop_path_keep_prob", "keep_rate",
    "retain_prob",
)  # fmt: skip

OTHER_NAMES = (
    "droprate", "dropout", "dp", "ratio", "drop_ratio", "drop", "probability", "r", "stochdepth_rate",
    "layer_drop_rate", "layer_dropout", "dropPathRate", "dpr", "path_drop", "pKeep", "survival", "drop_path_keep_rate",
    "retention",
)  # fmt: skip

CONVENTIONS = [
    *(Convention(f"by_{name}") for name in (*DROP_NAMES, *KEEP_NAMES)),
    *(Convention(f"by_{name}") for name in OTHER_NAMES),
    Convention("SurvivalGate"),
    Convention("drops_without_a_mode", evaluates=False),
    Convention("add_identity", form="residual"),
    Convention("bias_drop_add", form="residual"),
    Convention("add_branch", form="residual"),
    Convention("ResidualOfM", form="residual"),
    Convention("AnyWrapper?branch=op&form=residual", form="residual"),
    Convention("StoresAndCalls?init.scale=2&form=residual", form="residual"),
    Convention("with_one_word_more"),
    Convention("WrapsAnyNumber?form=residual", form="residual"),
    Convention("ToldItsModeAtFirst"),
    Convention("past_a_bypass"),
    Convention("ByTwoConfigurations"),
    Convention("add_to_residual", form="residual"),
    Convention("drop_rows"),
    Convention("drop_rows_of_some"),
    Convention("SequenceFirst?axis=1"),
    Convention("add_sequence_first?axis=1&form=residual", form="residual"),
    Convention("ByChannel?granularity=channel"),
    *(Convention(f"SharesAlongAnAxis?shared={axis}&init.axis={axis}") for axis in (1, 2, 3)),
    Convention("TakesEights?batch=8"),
    Convention("make_layer"),
    Convention("make_residual?form=residual-factory", form="residual"),
    Convention("ByDataclass"),
    Convention('ByDataclass?init.settings={"width":16}'),
    Convention("ByOptionalDataclass"),
    Convention("ByMapping"),
    Convention("ByAttributes"),
    Convention("ByUnknownField?prob=cfg.strength:keep"),
    Convention("Block._drop_path"),
    Convention("ByDropProb"),
    Convention("ByP"),
    Convention("ByUnknownName?prob=strength:keep"),
    Convention('WithWidth?args=64,"deep"'),
    Convention("WithWidth?init.width=64&init.depth=deep"),
    Convention("WithWidth?args=64&init.depth=deep"),
    Convention("LayerOfAStack"),
    Convention("ScalesByP"),
    Convention("add_fused", form="residual"),
    Convention("SkipsLayers"),
    Convention("ToldByAttribute"),
    Convention("AddsPair", form="residual"),
    Convention("HandsItOn"),
    Convention("OnlyForward"),
    Convention("DropFunction"),
    Convention("ByControl"),
    Convention("reads_the_mode"),
    Convention("of_a_block"),
    Convention("OnParts?form=residual", form="residual"),
    Convention("two_streams?output=0"),
    Convention("SetLater"),
    Convention("OneOfRates"),
    Convention("FromMapping?output=features"),
    Convention("from_mapping"),
    Convention("OnlyMethod"),
    Convention("BySections"),
    Convention("times_gamma?arg.gamma=1.0"),
    Convention("Block._residual", form="residual"),
    Convention("Block._skip", form="residual"),
    Convention("Block._wrapped"),
    Convention("PositionalOnly?init.depth=2"),
    Convention("AnyArguments?prob=drop_prob:drop"),
    Convention("StochasticDepth?init.mode=row"),
    Convention("StochasticDepth?init.mode=batch", granularity="batch"),
    Convention("StochasticDepth?granularity=sample"),
    Convention("StochasticDepth?granularity=batch", granularity="batch"),
    Convention("Scaling"),
    Convention("Scaling?scaling=none", scaling="none"),
    Convention("Scaling?init.scale_by_keep=false", scaling="none"),
    Convention("OriginalPaper?scaling=eval", scaling="eval"),
    Convention("ForwardTakesProbability"),
    Convention("ForwardTakesProbability?prob=drop_prob:drop"),
    Convention("ModeAtConstruction"),
    Convention("ModeAtConstructionOddly?training=init:learning"),
    Convention("ModeAtConstructionOddly?training=init:!frozen"),
    Convention("PlainClass"),
    Convention("PlainClassWithModes"),
    Convention("RefusesKeepProbZero?keep_prob_zero=raises"),
    Convention("WrapsBranch"),
    Convention("WrapsResidualBranch?form=residual", form="residual"),
    Convention("AddsShortcut?form=residual", form="residual"),
    Convention("AddsShortcut?form=residual&call=(r,x)", form="residual"),
    Convention("AddsShortcutFromList?form=residual&call=([r,x])", form="residual"),
    Convention("AddsShortcutOfAnyArguments?form=residual&call=(r,x)", form="residual"),
    Convention("Images?input=B,4,8,8"),
    Convention("Namespace.Inner"),
    Convention("ready_made"),
    Convention("ready_made?prob=drop_prob:drop"),
    Convention("ready_made_plain"),
    Convention("ready_made_unscaled", scaling="none"),
    Convention("ready_made_batch", granularity="batch"),
    Convention("ready_made_without_probability"),
    Convention("unscaled_class", scaling="none"),
    Convention("mode_last"),
    Convention("mode_last?call=(x,p,training)"),
    Convention("mode_last?training=always&arg.training=true", evaluates=False),
    Convention("mode_first"),
    Convention("train_flag"),
    Convention("is_training_flag"),
    Convention("is_test"),
    Convention("deterministic"),
    Convention("inference"),
    Convention("inference?call=(x,p,training)"),
    Convention("unknown_mode?training=active"),
    Convention("unknown_mode?call=(x,p,training)"),
    Convention("unknown_inverted_mode?training=!frozen"),
    Convention("no_mode?training=always", evaluates=False),
    Convention("positional_only"),
    Convention("keywords_only"),
    Convention("any_positional?prob=p:drop&call=(x,p,training)"),
    Convention("any_keywords?prob=drop_prob:drop&training=training"),
    Convention("any_tensors?form=residual&call=(r,x,p,training)", form="residual"),
    Convention("partly_by_name?arg.active=yes"),
    Convention("stochastic_depth?arg.mode=row"),
    Convention("stochastic_depth?arg.mode=batch", granularity="batch"),
    Convention("stochastic_depth?granularity=batch", granularity="batch"),
    Convention("scale_by_keep"),
    Convention("scale_by_keep?scaling=none", scaling="none"),
    Convention("scale_by_keep?arg.scale_by_keep=false", scaling="none"),
    Convention("per_element?granularity=element", granularity="element"),
    Convention("add_shortcut?form=residual", form="residual"),
    Convention("add_shortcut_last?form=residual&call=(x,r,p,training)", form="residual"),
    Convention("add_shortcut_from_list?form=residual&call=([r,x],p,training)", form="residual"),
    Convention("residual_function?form=residual", form="residual"),
    Convention("residual_function?form=residual&call=(r,f,p,training)", form="residual"),
    Convention("apply_to_branch?call=(f,x,p,training)"),
    Convention("tuple_output?output=0"),
    Convention("tuple_output?output=-2"),
    Convention("mask_output?output=mask"),
    Convention("with_constant?arg.scale=[1,2]"),
    Convention("decorated"),
    Convention("scripted"),
    Convention("make?form=factory"),
    Convention("make_from_lambda?form=factory"),
    Convention("make_without_mode?form=factory&training=always", evaluates=False),
]
