"""PaddlePaddle: the classes of PaddleDetection, PaddleSeg and PaddleClas, and the tutorials' layer in two readings."""

from __future__ import annotations

from dataclasses import replace

from droppath_audit.core.known import Broken, Known
from droppath_audit.targets.known._causes import (
    DIVIDED_FIRST,
    MULTIPLIED,
    NO_AXIS,
    NO_SHORTCUT,
    SILENT_REPR,
    UNCHECKED,
)

INSTALL = (
    "pip install paddlepaddle==3.3.1",
    "pip install --no-deps paddledet==2.6.0 paddleseg==2.8.0 paddleclas==2.6.0",
    "pip install 'setuptools<81' pyyaml requests tqdm opencv-python-headless pycocotools six scipy matplotlib "
    "scikit-learn pandas prettytable faiss-cpu",
)
# Paddle's CPU kernels lack even addition for float16 and bfloat16, where the floor-style mask is biased.
BOTH = "float64 float32"
COMPLEX = f"{BOTH} complex64 complex128"
NAN_AT_ZERO = (
    *(entry if entry.check in ("DP114", "DP402") else replace(entry, dtypes=BOTH) for entry in DIVIDED_FIRST),
    Broken("DP601", BOTH, "the smallest failing call has drop_prob = 1"),
)

# Seen with NumPy 2, which neither package asks for.
GROWS = Broken("DP505", "float32", "memory grows with calls, most of it in a module of the package that is imported")
PRINTS = Broken("DP505", "float32", "its import changes how NumPy prints, and memory grows with calls")

CLAS = "paddleclas.ppcls.arch.backbone.model_zoo"
TUTORIAL = "droppath_audit.samples.paddle_tutorial"

SYSTEMS = (
    Known(
        name="paddledetection",
        spec="ppdet.modeling.backbones.transformer_utils:DropPath",
        title="PaddleDetection, the class",
        environment="paddle",
        install=INSTALL,
        broken=(UNCHECKED, SILENT_REPR, NO_AXIS, GROWS, *NAN_AT_ZERO),
    ),
    Known(
        name="paddledetection-function",
        spec="ppdet.modeling.backbones.transformer_utils:drop_path",
        title="PaddleDetection, the function",
        environment="paddle",
        install=INSTALL,
        broken=(UNCHECKED, NO_AXIS, GROWS, *NAN_AT_ZERO),
    ),
    Known(
        name="paddleseg",
        spec="paddleseg.models.backbones.transformer_utils:DropPath",
        title="PaddleSeg, the class",
        environment="paddle",
        install=INSTALL,
        broken=(UNCHECKED, SILENT_REPR, NO_AXIS, PRINTS, *NAN_AT_ZERO),
    ),
    Known(
        name="paddleclas",
        spec=f"{CLAS}.vision_transformer:DropPath",
        title="PaddleClas, the class of its vision transformers",
        environment="paddle",
        install=INSTALL,
        broken=(UNCHECKED, SILENT_REPR, NO_AXIS, *NAN_AT_ZERO),
    ),
    Known(
        name="paddleclas-efficientnet",
        spec=f"{CLAS}.efficientnet:_drop_connect",
        title="PaddleClas, drop_connect of its EfficientNet",
        environment="paddle",
        install=INSTALL,
        broken=(
            UNCHECKED,
            NO_AXIS,
            NO_SHORTCUT,
            Broken("DP005", BOTH, "the mask has rank 4, and x of any other rank is broadcast to it"),
            *(entry for entry in NAN_AT_ZERO if entry.check not in ("DP205", "DP601")),
            Broken("DP601", COMPLEX, "the smallest failing call has another rank than 4"),
        ),
    ),
    Known(
        name="paddle-tutorial",
        spec=f"{TUTORIAL}:DropPath",
        title="the per-sample layer of paddle tutorials, read as rand < keep_prob",
        environment="paddle",
        install=INSTALL[:1],
        broken=(UNCHECKED, SILENT_REPR, NO_AXIS, replace(MULTIPLIED, dtypes=BOTH)),
    ),
    Known(
        name="paddle-tutorial-unfloored",
        spec=f"{TUTORIAL}:DropPathNeverFloored",
        title="the same layer, read as keep_prob + rand that nothing floors",
        environment="paddle",
        install=INSTALL[:1],
        broken=(
            UNCHECKED,
            NO_AXIS,
            Broken("DP003", "float64", "neither mode drops"),
            Broken("DP008", "float64", "copies drop nothing, and a drop_prob of 1 has no effect"),
            Broken("DP101", BOTH, "every sample is kept, at any drop_prob"),
            Broken("DP102", BOTH, "the mask is keep_prob + rand itself, so that kept ones have many values"),
            Broken("DP104", BOTH, "every batch is kept as a whole"),
            Broken("DP114", "", "the noise, in every row in training"),
            Broken("DP201", BOTH, "kept values are x times noise"),
            Broken("DP202", BOTH, "no sample is ever dropped"),
            Broken("DP203", BOTH, "the mean is x times 1 + 0.5/keep_prob"),
            Broken("DP204", BOTH, "the variance is that of the noise"),
            Broken("DP205", BOTH, "the noise reaches beyond 1/keep_prob, and overflows before it"),
            Broken("DP206", BOTH, "infinities and NaN stay, as nothing is dropped"),
            Broken("DP301", BOTH, "at keep_prob = 0 the output is x times noise"),
            Broken("DP302", BOTH, "and the gradient is the noise"),
            Broken("DP303", BOTH, "next to both ends as in between"),
            Broken("DP401", BOTH, "the gradient is the noise, not mask over keep_prob"),
            Broken("DP403", BOTH, "and so are its derivatives"),
            Broken("DP501", "float32", "two seeds give the same decisions: all kept"),
            Broken("DP504", "float32", "and so do two processes"),
            Broken("DP601", COMPLEX, "the noise, in any call in training"),
        ),
    ),
)
