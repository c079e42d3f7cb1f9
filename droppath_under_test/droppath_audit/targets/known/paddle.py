"""PaddlePaddle: the classes of PaddleDetection, PaddleSeg and PaddleClas, and the tutorials' layer in two readings."""

from __future__ import annotations

from droppath_audit.core.known import Known

INSTALL = (
    "pip install paddlepaddle==3.3.1",
    "pip install --no-deps paddledet==2.6.0 paddleseg==2.8.0 paddleclas==2.6.0",
    "pip install pyyaml requests tqdm opencv-python-headless pycocotools six scipy matplotlib scikit-learn pandas "
    "prettytable faiss-cpu",
)
CLAS = "paddleclas.ppcls.arch.backbone.model_zoo"
TUTORIAL = "droppath_audit.samples.paddle_tutorial"

SYSTEMS = (
    Known(
        name="paddledetection",
        spec="ppdet.modeling.backbones.transformer_utils:DropPath",
        title="PaddleDetection, the class",
        environment="paddle",
        install=INSTALL,
    ),
    Known(
        name="paddledetection-function",
        spec="ppdet.modeling.backbones.transformer_utils:drop_path",
        title="PaddleDetection, the function",
        environment="paddle",
        install=INSTALL,
    ),
    Known(
        name="paddleseg",
        spec="paddleseg.models.backbones.transformer_utils:DropPath",
        title="PaddleSeg, the class",
        environment="paddle",
        install=INSTALL,
    ),
    Known(
        name="paddleclas",
        spec=f"{CLAS}.vision_transformer:DropPath",
        title="PaddleClas, the class of its vision transformers",
        environment="paddle",
        install=INSTALL,
    ),
    Known(
        name="paddleclas-efficientnet",
        spec=f"{CLAS}.efficientnet:_drop_connect",
        title="PaddleClas, drop_connect of its EfficientNet",
        environment="paddle",
        install=INSTALL,
    ),
    Known(
        name="paddle-tutorial",
        spec=f"{TUTORIAL}:DropPath",
        title="the per-sample layer of paddle tutorials, read as rand < keep_prob",
        environment="paddle",
        install=INSTALL[:1],
    ),
    Known(
        name="paddle-tutorial-unfloored",
        spec=f"{TUTORIAL}:DropPathNeverFloored",
        title="the same layer, read as keep_prob + rand that nothing floors",
        environment="paddle",
        install=INSTALL[:1],
    ),
)
