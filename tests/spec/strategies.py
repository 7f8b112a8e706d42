"""Random networks of every family that can be built."""

from typing import get_args

from hypothesis import strategies as st

from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.densenet import DenseNetSpec
from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.resnet import ResNetSpec
from fishnet_search.spec.stage import BlockKind, Downsample, Upsample

DOWNSAMPLE = st.sampled_from(get_args(Downsample))
UPSAMPLE = st.sampled_from(get_args(Upsample))
ACTIVATION = st.sampled_from(["relu", "leaky-relu", "silu", "gelu", "hardswish"])
NORM = st.sampled_from(["batch", "group"])
STEM = {"three-conv": 4, "conv-7x7": 4, "residual": 4, "one-conv": 1, "strided-conv": 2}
WIDTH = st.integers(1, 6).map(lambda n: 8 * n)


@st.composite
def stages(draw, *, depth=2) -> dict:
    """Fields of a stage that can be set freely as long as widths are multiples of 8."""
    stage = {"depth": draw(st.integers(1, depth))}
    if draw(st.booleans()):
        stage["block"] = draw(st.sampled_from(get_args(BlockKind)))
    if draw(st.booleans()):
        one = st.integers(1, 3)
        stage["dilation"] = draw(one | st.lists(one, min_size=stage["depth"], max_size=stage["depth"]))
    if not stage.get("block", "").endswith("basic"):
        stage |= draw(
            st.sampled_from(
                [{}, {}, {"expansion": 2}, {"groups": 2}, {"group_width": 2}, {"groups": 4, "group_width": 3}]
            )
        )
    stage |= draw(st.fixed_dictionaries({}, optional={"kernel": st.sampled_from([1, 3, 5]), "activation": ACTIVATION}))
    stage |= draw(st.fixed_dictionaries({}, optional={"norm": NORM, "squeeze_excitation": st.booleans()}))
    return stage


@st.composite
def networks(draw) -> dict:
    """Fields that all families share."""
    network = {"classes": draw(st.integers(1, 12)), "activation": draw(ACTIVATION), "norm": draw(NORM)}
    return network | {"stem": {"kind": draw(st.sampled_from([*STEM])), "width": draw(WIDTH)}}


@st.composite
def fish_specs(draw) -> FishSpec:
    """Fish of one to three tail stages, with fewer body and head stages at times, and transfers from anywhere."""
    network = draw(networks())
    stem = network["stem"]
    tail = [
        draw(stages()) | {"width": draw(WIDTH), "downsample": draw(DOWNSAMPLE)} for _ in range(draw(st.integers(1, 3)))
    ]
    bridge = draw(stages()) | {"width": 8 * draw(st.integers(2, 6)), "attention": draw(st.booleans())}
    stride = STEM[stem["kind"]]
    outputs = {"stem": (stride, stem["width"])}
    for i, stage in enumerate(tail):
        stride *= 2
        outputs[f"tail{i}"] = (stride, stage["width"])
    outputs["bridge"] = (stride, bridge["width"])
    lowest, entering = stride, bridge["width"]

    def transfer(stage: dict) -> int:
        sources = [name for name, (at, width) in outputs.items() if at == stride and width % 8 == 0]
        stage["transfer_from"] = draw(st.sampled_from([*sources, "none"]))
        stage["transfer"] = draw(st.integers(0, 2))
        return 0 if stage["transfer_from"] == "none" else outputs[stage["transfer_from"]][1]

    body, head = [], []
    for i in range(draw(st.integers(0, len(tail)))):
        stride //= 2
        stage = draw(stages()) | {"upsample": draw(UPSAMPLE)}
        stage["width"] = draw(st.sampled_from([d for d in range(8, entering + 1, 8) if entering % d == 0]))
        if stage.get("block") == "detnet-b":
            stage["shortcut"] = "projection"
        entering = stage["width"] + transfer(stage)
        body.append(stage)
        outputs[f"body{i}"] = (stride, entering)
    for i in range(draw(st.integers(0, 3))):
        stride *= 2
        stage = draw(stages()) | {"downsample": draw(DOWNSAMPLE)}
        if draw(st.booleans()):
            stage |= {"width": draw(WIDTH), "shortcut": "projection"}
        entering = stage.get("width", entering) + transfer(stage)
        head.append(stage)
        outputs[f"head{i}"] = (stride, entering)
    size = max(stride, lowest) * draw(st.integers(1, 2))
    return FishSpec.model_validate(
        network | {"image_size": size, "tail": tail, "bridge": bridge, "body": body, "head": head}
    )


@st.composite
def resnet_specs(draw) -> ResNetSpec:
    """ResNets of one to three stages, whose resolution may stay, as in a DetNet."""
    network = draw(networks())
    downsample = st.sampled_from(["none", "stride", "stride-first"]) | DOWNSAMPLE
    rows = [
        draw(stages()) | {"width": draw(WIDTH), "downsample": draw(downsample)} for _ in range(draw(st.integers(1, 3)))
    ]
    stride = STEM[network["stem"]["kind"]] * 2 ** sum(row["downsample"] != "none" for row in rows)
    return ResNetSpec.model_validate(network | {"image_size": stride * draw(st.integers(1, 2)), "stages": rows})


@st.composite
def densenet_specs(draw) -> DenseNetSpec:
    """DenseNets of one to three stages."""
    network = draw(networks())
    row = st.fixed_dictionaries(
        {"depth": st.integers(1, 3), "growth": st.integers(2, 8)},
        optional={"expansion": st.integers(1, 4), "downsample": DOWNSAMPLE},
    )
    rows = draw(st.lists(row, min_size=1, max_size=3))
    stride = STEM[network["stem"]["kind"]] * 2 ** (len(rows) - 1)
    return DenseNetSpec.model_validate(network | {"image_size": stride * draw(st.integers(1, 2)), "stages": rows})


def specs() -> st.SearchStrategy[Architecture]:
    """Any network: fish, more often than the others."""
    return st.one_of(fish_specs(), fish_specs(), resnet_specs(), densenet_specs())
