"""A network as one file of plain PyTorch that a person can read, change and carry elsewhere.

The file needs torch alone. Its modules are called what the network's are, so that the same weights load into both,
and they compute the same numbers to the last digit.
"""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
import unicodedata

from fishnet_search.cost.ledger import cost_of
from fishnet_search.export.source_classes import classes_of, operators_of
from fishnet_search.export.source_ops import HELPERS, SEQUENTIAL
from fishnet_search.export.source_text import LINE
from fishnet_search.graph.graph import Graph, taps_of

_USED = {"F", "Tensor", "OrderedDict", "Blur", "SqueezeChannels"}
"""Names that the file has anyway."""

_STANDARD = {"math.": "import math", "OrderedDict(": "from collections import OrderedDict"}

_LOADING = """\
Weights that were exported with it fit by name:

    from safetensors.torch import load_file

    network = {name}()
    network.load_state_dict(load_file("model.safetensors"))
    network.eval()

Those of a .pt file are read by `torch.load("model.pt", weights_only=True)`.
"""


def python_source(graph: Graph, *, name: str, title: str) -> str:
    """Return a Python file with a class whose objects are a network, in plain PyTorch.

    `state_dict` has the same keys and shapes as that of `build_network(graph)`, and with the same weights the outputs
    are bit for bit the same, in training too. Fresh weights are drawn from the same distributions.

    Args:
        graph: of a network from `build_graph`, or of a backbone from `features_only`.
        name: what the class is called after, see `class_name`.
        title: what the network is, in a few words, for the head of the file.
    """
    classes = classes_of(graph, class_name(name), {*_USED, class_name(name)})
    used = operators_of(graph)
    helpers = [text for op, text in HELPERS.items() if op in used]
    if any("sequential(" in text for text in classes):
        helpers.insert(0, SEQUENTIAL)
    code = "\n\n".join([*helpers, *classes])
    return f"{_head(graph, class_name(name), title)}\n{_imports(code)}\n\n{code}"


def class_name(name: str) -> str:
    """Return the name of the class in `python_source`: an identifier of ASCII made from any text.

    "downsample-max-2x2" becomes "DownsampleMax2x2". What is no word, or would hide another name, is called a network:
    "Network2", "ValueErrorNetwork".
    """
    words = re.findall(r"[A-Za-z0-9]+", unicodedata.normalize("NFKD", name))
    joined = "".join(word[0].upper() + word[1:] for word in words)
    if not joined or joined[0].isdigit():
        return f"Network{joined}"
    hides = keyword.iskeyword(joined) or hasattr(builtins, joined) or joined in _USED
    return f"{joined}Network" if hides else joined


def _head(graph: Graph, name: str, title: str) -> str:
    """Return the docstring: what it is, what goes in and comes out, what it costs, how weights are loaded."""
    cost = cost_of(graph)
    _, height, width = graph.input_shapes[0]
    sides = f", H and W multiples of {graph.stride}," if graph.stride > 1 else ""
    what = (
        f"`{name}` takes images of shape (N, {graph.input_shapes[0].channels}, H, W){sides} and returns "
        f"{_given(graph)}. It has {cost.params:,} parameters and takes {cost.macs:,} multiply-accumulates for an image "
        f"of {height} × {width} pixels. Written by fishnet-search, it needs PyTorch alone."
    )
    paragraphs = [textwrap.fill(text, LINE - len('"""'), break_on_hyphens=False) for text in (_printable(title), what)]
    escaped = "\n\n".join(paragraphs).replace("\\", "\\\\")
    return f'"""{escaped}\n\n{_LOADING.format(name=name)}"""\n'


def _given(graph: Graph) -> str:
    if not graph.outputs:
        return f"logits of shape (N, {graph.nodes[-1].shape.channels})"
    taps = ", ".join(f"{tap.name} ({tap.channels} channels, stride {tap.stride})" for tap in taps_of(graph))
    return f"features by name: {_printable(taps)}"


def _printable(text: str) -> str:
    """Return text on one line that cannot end a docstring, or show something else than it is."""
    plain = "".join(char if char.isprintable() else " " for char in text.replace('"', "'"))
    return " ".join(plain.split())


def _imports(code: str) -> str:
    """Return the imports that the code needs."""
    standard = [line for name, line in _STANDARD.items() if name in code]
    torch = ["import torch"] if "torch." in code else []
    functional = ["from torch.nn import functional as F"] if "F." in code else []
    blank = [""] if standard else []
    return "\n".join([*standard, *blank, *torch, "from torch import Tensor, nn", *functional, ""])
