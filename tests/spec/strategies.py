"""Random fish that can be built, and random things that cannot."""

from hypothesis import strategies as st

from fishnet_search.spec.fish import FishSpec

DOWNSAMPLE = st.sampled_from(["max-2x2", "max-3x3", "avg-2x2", "conv-3x3"])


@st.composite
def fish_specs(draw) -> FishSpec:
    """Fish of one to three stages a part, with body widths that divide what enters."""
    stages = draw(st.integers(1, 3))
    widths = st.integers(1, 8).map(lambda n: 4 * n)
    depths, transfers, dilations = st.integers(1, 2), st.integers(0, 2), st.integers(1, 3)
    stem = {"kind": draw(st.sampled_from(["three-conv", "one-conv"])), "width": draw(widths)}
    tail = [
        {"depth": draw(depths), "width": draw(widths), "dilation": draw(dilations), "downsample": draw(DOWNSAMPLE)}
        for _ in range(stages)
    ]
    bridge = {"depth": draw(depths), "width": 4 * draw(st.integers(4, 8))}
    skips = [stage["width"] for stage in tail[-2::-1]] + [stem["width"]]
    body, entering = [], bridge["width"]
    for skip in skips:
        width = draw(st.sampled_from([d for d in range(4, entering + 1, 4) if entering % d == 0]))
        body.append({"depth": draw(depths), "width": width, "dilation": draw(dilations), "transfer": draw(transfers)})
        entering = width + skip
    head = []
    for _ in range(stages):
        stage = {"depth": draw(depths), "transfer": draw(transfers), "downsample": draw(DOWNSAMPLE)}
        if draw(st.booleans()):
            stage |= {"width": draw(widths), "projection": True}
        head.append(stage)
    stride = (4 if stem["kind"] == "three-conv" else 1) * 2**stages
    return FishSpec.model_validate(
        {
            "image_size": stride * draw(st.integers(1, 2)),
            "classes": draw(st.integers(1, 12)),
            "stem": stem,
            "tail": tail,
            "bridge": bridge,
            "body": body,
            "head": head,
        }
    )
