"""A small model whose batch norms have something to normalise by."""

import torch

from fishnet_search import build_graph, build_network, load_spec, with_fields
from fishnet_search.export.model import Model, Preparation

CLASSES = tuple(f"class {number}" for number in "0123456789")
PREPARATION = Preparation(32, 36, (120.0, 110.0, 100.0), (60.0, 61.5, 62.25))


def small_network(seed=1, **fields):
    """Return a spec and its network in evaluation mode, its running figures drawn."""
    spec = with_fields(load_spec("fishnet-nano"), fields)
    network = build_network(build_graph(spec), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return spec, network.eval()


def small_model(name="nano-seed1", classes=CLASSES, record=None, **fields):
    spec, network = small_network(**fields)
    return Model(name, spec, network, classes, PREPARATION, record)


def some_images(count=3, side=32, seed=0):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
