"""Whole models of real packages: how each is built, and what its audit gives. ``tox -e zoo-models`` holds them to it.

All have random weights, and are as small as their packages allow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

IMPORTS = ("droppath_audit.targets.torchvision_operators",)


@dataclass(frozen=True)
class ZooModel:
    """A model, with what is expected of its audit.

    Attributes:
        name: Of its report.
        spec: Its SPEC.
        layers: What in it drops paths, in the words of the report.
        schedule: What DP901 says of its rates.
        broken: Why each check is broken that is, as a clause.
        not_applicable: Checks of which nothing can be seen in it.
    """

    name: str
    spec: str
    layers: str
    schedule: str
    broken: dict[str, str] = field(default_factory=dict)
    not_applicable: tuple[str, ...] = ()


_NOTHING_DROPS = ("DP902", "DP903", "DP904", "DP907")
_SWIN = (
    '{"image_size":32,"patch_size":4,"embed_dim":16,"depths":[2,2],"num_heads":[2,2],"window_size":4,'
    '"drop_path_rate":0.2}'
)
_STAGES = '"hidden_sizes":[8,16,32,64],"depths":[2,2,2,2],"drop_path_rate":0.2}'
_VIT = (
    '{"image_size":32,"patch_size":8,"hidden_size":32,"num_hidden_layers":6,"num_attention_heads":2,'
    '"intermediate_size":64,"drop_path_rate":0.2}'
)

MODELS = (
    ZooModel(
        "timm-vit",
        'timm:create_model?args="vit_tiny_patch16_224"&arg.img_size=32&arg.drop_path_rate=0.2',
        "2 Identity, 22 DropPath",
        "linear over 12 blocks, 0 to 0.2",
    ),
    ZooModel(
        "timm-swin",
        'timm:create_model?args="swin_tiny_patch4_window7_224"&arg.img_size=32&arg.window_size=4&arg.embed_dim=24'
        "&arg.num_heads=[1,2,4,8]&arg.drop_path_rate=0.2",
        "2 Identity, 22 DropPath",
        "linear over 12 blocks, 0 to 0.2",
    ),
    ZooModel(
        "timm-convnext",
        'timm:create_model?args="convnext_atto"&arg.drop_path_rate=0.2',
        "1 Identity, 11 DropPath",
        "linear over 12 blocks, 0 to 0.2",
    ),
    ZooModel(
        "timm-efficientnet",
        'timm:create_model?args="efficientnet_b0"&arg.drop_path_rate=0.2',
        "1 Identity, 15 DropPath",
        "ends-early over 16 blocks, 0 to 0.1875",
    ),
    ZooModel(
        "timm-efficientnet-linear",
        'timm:create_model?args="efficientnet_b0"&arg.drop_path_rate=0.2&schedule=linear',
        "1 Identity, 15 DropPath",
        "blocks.1.0.drop_path has 0.0125 where linear has 0.01333",
        broken={"DP901": "the rates are l/L of the largest, and l/(L-1) was declared: they end early"},
    ),
    ZooModel(
        "timm-resnest",
        'timm:create_model?args="resnest26d"&arg.base_width=16&arg.stem_width=8&arg.drop_path_rate=0.2',
        "7 DropPath",
        "linear over 8 blocks, 0.02857 to 0.2",
        broken={
            "DP903": "a block drops its input after the branch: before the projection of the shortcut, or to no effect"
        },
    ),
    ZooModel(
        "torchvision-swin",
        "torchvision.models:SwinTransformer?arg.patch_size=[4,4]&arg.embed_dim=24&arg.depths=[2,2,2]"
        "&arg.num_heads=[1,2,4]&arg.window_size=[4,4]&arg.stochastic_depth_prob=0.3",
        "6 StochasticDepth",
        "linear over 6 blocks, 0 to 0.3",
    ),
    ZooModel(
        "torchvision-efficientnet",
        "torchvision.models:efficientnet_b0?arg.stochastic_depth_prob=0.2",
        "16 StochasticDepth",
        "ends-early over 16 blocks, 0 to 0.1875",
    ),
    ZooModel(
        "transformers-swin",
        f"transformers:SwinModel?arg.config={_SWIN}",
        "1 Identity, 3 SwinDropPath",
        "linear over 4 blocks, 0 to 0.2",
    ),
    ZooModel(
        "transformers-convnext",
        f"transformers:ConvNextModel?arg.config={{{_STAGES}",
        "1 Identity, 7 ConvNextDropPath",
        "linear over 8 blocks, 0 to 0.2",
    ),
    ZooModel(
        "transformers-beit",
        f"transformers:BeitModel?arg.config={_VIT}",
        "1 Identity, 5 BeitDropPath",
        "linear over 6 blocks, 0 to 0.2",
    ),
    ZooModel(
        "transformers-dinov2",
        f"transformers:Dinov2Model?arg.config={_VIT}",
        "6 Dinov2DropPath",
        "constant over 6 blocks, 0.2 to 0.2",
    ),
    ZooModel(
        "transformers-cvt",
        'transformers:CvtModel?arg.config={"embed_dim":[16,32,64],"num_heads":[1,2,4],"depth":[1,2,4],'
        '"drop_path_rate":[0.0,0.0,0.2]}',
        "3 Identity, 4 CvtDropPath",
        "encoder.stages.1.layers.0.drop_path has 0 where stagewise has 0.06667",
        broken={
            "DP901": "each block of a stage takes the rate whose index is the number of the stage, not its own",
            "DP903": "the MLP's output has the shortcut added to it already when it is dropped",
        },
    ),
    ZooModel(
        "transformers-poolformer",
        f"transformers:PoolFormerModel?arg.config={{{_STAGES}&input=B,3,64,64",
        "15 PoolFormerDropPath, 1 Identity",
        "linear over 8 blocks, 0 to 0.2",
        broken={
            "DP903": "the MLP has a layer of its own, which it calls twice, on a branch that the block drops as well"
        },
    ),
    ZooModel(
        "transformers-swin2sr",
        'transformers:Swin2SRModel?arg.config={"image_size":16,"embed_dim":16,"depths":[2,2],"num_heads":[2,2],'
        '"window_size":4,"drop_path_rate":0.2}',
        "4 Identity",
        "every rate is 0, and 0.2 was asked for",
        broken={"DP901": "a stage is given the rates of its blocks, and hands none of them on"},
        not_applicable=("DP903", "DP904", "DP907"),
    ),
    ZooModel(
        "transformers-efficientnet",
        'transformers:EfficientNetModel?arg.config={"image_size":64,"drop_connect_rate":0.2}',
        "none",
        "no module of the model drops paths, and 0.2 was asked for",
        broken={"DP901": "drop_connect_rate is the p of nn.Dropout, which drops elements of a branch"},
        not_applicable=_NOTHING_DROPS,
    ),
)
