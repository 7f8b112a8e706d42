"""The part of a model's card that is code: preparing an image, and loading and asking each format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fishnet_search.export.markdown import code_block
from fishnet_search.export.model import Model
from fishnet_search.export.source import class_name

_LOADING = {
    "safetensors": """\
from fishnet_search.export.hub import PretrainedNetwork

network = PretrainedNetwork.from_pretrained(".")  # the folder of model.safetensors and config.json
logits = network(images)
""",
    "onnx": """\
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
(logits,) = session.run(["logits"], {"image": images.numpy()})
""",
    "pt2": """\
import torch

network = torch.export.load("model.pt2").module()
logits = network(images)
""",
    "python": """\
import runpy

from safetensors.torch import load_file

network = runpy.run_path("model.py")["CLASS"]()
network.load_state_dict(load_file("model.safetensors"))
logits = network.eval()(images)
""",
    "backbone": """\
import runpy

from safetensors.torch import load_file

backbone = runpy.run_path("backbone.py")["CLASS"]()
backbone.load_state_dict(load_file("backbone.safetensors"))
features = backbone.eval()(images)  # name -> (N, C, H, W)
""",
}
"""How each format is loaded."""

_LOADING_MODELS = {
    "safetensors": """\
from fishnet_search.export.hub import PretrainedModel

model = PretrainedModel.from_pretrained(".")  # the folder of model.safetensors and config.json
with torch.inference_mode():
    ASKED
""",
    "backbone": """\
import runpy

from safetensors.torch import load_file

backbone = runpy.run_path("backbone.py")["CLASS"]()
backbone.load_state_dict(load_file("backbone.safetensors"))
features = backbone.eval()(images)  # name -> (N, C, H, W), of images (N, 3, H, W) whose sides are multiples of STRIDE
""",
}
"""Likewise of tasks other than classification, where it differs."""

_ASKED = {
    "detection": "(found,) = model([image])  # boxes, labels from 1 on, scores; boxes / factor are pixels of the file",
    "instance-segmentation": (
        "(found,) = model([image])  # boxes, labels from 1 on, scores, masks; boxes / factor are pixels of the file"
    ),
    "semantic-segmentation": "logits = model(images)  # (1, classes, height, width)",
}

_CAPTIONS = {
    "safetensors": "With fishnet-search:",
    "onnx": "With ONNX Runtime, without PyTorch:",
    "pt2": "With PyTorch alone, as a program:",
    "python": "With PyTorch alone, as code to read and change:",
    "backbone": "As a backbone that gives features of several resolutions:",
}

_ONNX_WEIGHTS = "model.onnx.data"
"""Is written where the weights are too large for the ONNX file itself."""

_PREPARING = """\
from PIL import Image
from torchvision.transforms import v2
import torch

prepare = v2.Compose([
    v2.RGB(),  # ignores alpha; fishnet-search lays what is transparent on white
    v2.Resize({preparation.short_side}, antialias=True),
    v2.CenterCrop({preparation.image_size}),
    v2.PILToTensor(),
    v2.ToDtype(torch.float32),  # grey levels from 0 to 255, as the figures are
    v2.Normalize({mean}, {std}),
])
images = prepare(Image.open("image.jpg"))[None]
"""

_PREPARING_WHOLE = """\
from PIL import Image
from torchvision.transforms import v2
import torch

whole = Image.open("image.jpg")
factor = min({preparation.short_side} / min(whole.size), {preparation.longer_side} / max(whole.size))
width, height = (max(1, round(factor * side)) for side in whole.size)
prepare = v2.Compose([
    v2.RGB(),  # ignores alpha; fishnet-search lays what is transparent on white
    v2.PILToTensor(),
    v2.Resize((height, width), antialias=True),
    v2.ToDtype(torch.float32),  # grey levels from 0 to 255, as the figures are
    v2.Normalize({mean}, {std}),
])
image = prepare(whole)
images = torch.nn.functional.pad(image, (0, -width % {stride}, 0, -height % {stride}))[None]
"""


def how_to_use(model: Model, formats: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    """Yield paragraphs and blocks of code: how images are prepared, and how each format is loaded and asked.

    Args:
        model: what was exported.
        formats: that were written.
        files: of these formats.
    """
    yield "## Use"
    yield from _preparing(model)
    for name in formats:
        called = class_name(f"{model.name}-backbone" if name == "backbone" else model.name)
        yield _CAPTIONS[name]
        if name == "onnx" and _ONNX_WEIGHTS in files:
            yield f"Its weights are in `{_ONNX_WEIGHTS}`, which has to stand beside it under this name."
        yield code_block(_loading(model, name).replace("CLASS", called), "python")
        if model.task.kind == "semantic-segmentation" and name in ("onnx", "pt2"):
            size = model.preparation.image_size
            yield f"Exported without `--dynamic-size`, it takes images of {size} × {size} pixels alone."


def _preparing(model: Model) -> Iterator[str]:
    preparation, stride = model.preparation, model.backbone.stride
    mean, std = ([round(figure, 4) for figure in figures] for figures in (preparation.mean, preparation.std))
    resized = f"An image's short side is resized to {preparation.short_side} pixels (bilinear, antialiased)"
    if preparation.longer_side is None:
        sides = f"{preparation.image_size} × {preparation.image_size}"
        yield f"{resized}, the centre of {sides} pixels is cut out, and each channel is normalised:"
        yield code_block(_PREPARING.format(preparation=preparation, mean=mean, std=std), "python")
        return
    yield (
        f"{resized}, or to less if the longer one would have more than {preparation.longer_side:,}, and each channel "
        "is normalised. `image` is what detectors take; `images` are padded to what a backbone takes:"
    )
    yield code_block(_PREPARING_WHOLE.format(preparation=preparation, mean=mean, std=std, stride=stride), "python")


def _loading(model: Model, name: str) -> str:
    if model.task.kind == "classification":
        return _LOADING[name]
    code = _LOADING_MODELS.get(name, _LOADING[name])
    return code.replace("ASKED", _ASKED[model.task.kind]).replace("STRIDE", str(model.backbone.stride))
