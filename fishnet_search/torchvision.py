"""All presets as models of torchvision: import this, and `torchvision.models.get_model("fishnet150")` builds one.

A preset goes by its name with underscores for hyphens. Those that torchvision has under the same name (resnet50,
densenet121 and the like) stay torchvision's. Initial weights are drawn from torch's global
random state, as those of torchvision's models are.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from fishnet_search.errors import ExportError
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import Network, build_network
from fishnet_search.spec.loading import load_spec, preset_names, with_fields


def _constructor(name: str, preset: str) -> Callable[..., Network]:
    """Return the function that torchvision calls to create a model."""

    def construct(*, weights: None = None, num_classes: int | None = None) -> Network:
        if weights is not None:
            raise ExportError(
                f"weights: no weights of {name} are hosted anywhere; leave it out, and load your own by load_state_dict"
            )
        spec = load_spec(preset)
        spec = spec if num_classes is None else with_fields(spec, {"classes": num_classes})
        return build_network(build_graph(spec), seed=int(torch.randint(2**31, ())))

    construct.__name__ = construct.__qualname__ = name
    return construct


def _register_presets() -> None:
    from torchvision.models import list_models
    from torchvision.models._api import register_model  # there is no public one

    for preset in preset_names():
        name = preset.replace("-", "_")
        if name not in list_models():
            register_model(name)(_constructor(name, preset))


_register_presets()
