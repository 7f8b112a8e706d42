"""The counters of other libraries, run on the built network."""

import warnings

import torch
from torch.utils.flop_counter import FlopCounterMode

from fishnet_search.network.network import build_network


@torch.no_grad()
def flop_counter_macs(network, image) -> int:
    """Multiply-accumulates by PyTorch's own counter."""
    with FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_total_flops() // 2


def fvcore_macs(network, image) -> int:
    """Multiply-accumulates of convolutions and linear layers by fvcore."""
    by_operator = _fvcore("FlopCountAnalysis", network, image).by_operator()
    return by_operator["conv"] + by_operator["linear"]


def fvcore_activations(network, image) -> int:
    """Outputs of convolutions and linear layers by fvcore."""
    return _fvcore("ActivationCountAnalysis", network, image).total()


def _fvcore(analysis, network, image):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import fvcore.nn

        counted = getattr(fvcore.nn, analysis)(network, image)
        counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()
        return counted


def saved_bytes(graph, batch: int) -> int:
    """Bytes that PyTorch keeps for the backward pass of a batch, beside the batch, weights and buffers."""
    network = build_network(graph).train()
    images = torch.randn(batch, *graph.input_shapes[0], generator=torch.Generator().manual_seed(0))
    own = {tensor.untyped_storage().data_ptr() for tensor in [*network.parameters(), *network.buffers(), images]}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(images)
    return sum(kept.values())
