"""All presets as models of timm: import this module, and `timm.create_model("fishnet150")` builds one.

A preset goes by its name with underscores for hyphens. Those that timm has under the same name (resnet50, densenet121
and the like) stay timm's. Parameters are named as `build_network` names them, so exported weights fit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from fishnet_search.errors import ExportError
from fishnet_search.graph.build import CLASSIFIER, IMAGE_CHANNELS, build_graph
from fishnet_search.graph.graph import Graph, Node, check_side, features_only, taps_of
from fishnet_search.graph.ops import Conv, Linear
from fishnet_search.network.network import build_network
from fishnet_search.spec.architecture import Architecture
from fishnet_search.spec.loading import load_spec, preset_names, with_fields

__all__ = ["TimmNetwork", "register"]

default_cfgs: dict[str, Any] = {}
"""What timm knows of each model; it looks for this in the module of a model's function."""

_SMALL_IMAGE = 64
"""Pixels a side. Smaller images come as they are; larger ones are cut out of the middle, as on ImageNet."""


class TimmNetwork(nn.Module):
    """A network with the methods of timm's own models.

    Takes images of shape (N, 3, H, W), H and W multiples of its stride. Features are what the taps of the architecture
    give, from the highest resolution to the lowest. Initial weights are drawn from torch's global random state, as
    those of timm's models are.
    """

    def __init__(
        self,
        spec: Architecture,
        num_classes: int,
        in_chans: int = IMAGE_CHANNELS,
        drop_rate: float = 0.0,
        global_pool: str = "avg",
    ) -> None:
        """Build the network.

        Args:
            spec: the architecture.
            num_classes: outputs; 0 leaves out the last layer, so that the pooled features come out.
            in_chans: 3.
            drop_rate: share of the pooled features that training sets to zero.
            global_pool: "avg", or "" for features of every position, which takes `num_classes` 0.

        Raises:
            ExportError: another number of channels, or pooling that these networks do not have.
            SpecError: a number of classes below 0.
        """
        super().__init__()
        if in_chans != IMAGE_CHANNELS:
            raise ExportError(
                f"in_chans: these networks take {IMAGE_CHANNELS} channels, not {in_chans}; repeat a grey image's one"
            )
        self.spec = spec
        self.graph = build_graph(with_fields(spec, {"classes": num_classes}) if num_classes else spec)
        for name, module in build_network(self.graph, seed=_seed()).named_children():
            self.add_module(name, module)
        self.stride = self.graph.stride
        self.feature_info = _feature_info(self.graph)
        self.num_features = self.graph.nodes[-2].shape.channels
        self.in_chans, self.drop_rate = in_chans, drop_rate
        self._stages = _steps(self.graph.nodes[:-1])
        head = _head(self.graph)
        self._layers = tuple(node.name for node in head.nodes)  # of the classifier, in the order of computation
        self._last = _last_layer(head).name
        self.head_hidden_size = head.node("pool").shape.channels
        self.num_classes, self.global_pool = num_classes, global_pool
        if not num_classes or global_pool != "avg":
            self.reset_classifier(num_classes, global_pool)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return logits of shape (N, classes)."""
        return self.forward_head(self.forward_features(images_NCHW))

    def forward_features(self, images_NCHW: Tensor) -> Tensor:
        """Return what the last stage gives, of shape (N, num_features, H / stride, W / stride).

        Raises:
            SpecError: a side of the images is not a multiple of the stride.
        """
        return self._outputs(images_NCHW, self._stages)[self._stages[-1][0]]

    def forward_head(self, x_NCHW: Tensor, pre_logits: bool = False) -> Tensor:
        """Return logits, or with `pre_logits` what enters the last layer, of shape (N, head_hidden_size)."""
        x = x_NCHW
        for name in self._layers:
            if name == self._last:
                x = functional.dropout(x, self.drop_rate, self.training)
            if (name == self._last and pre_logits) or (name in {"pool", "flatten"} and not self.global_pool):
                continue
            x = getattr(self.classifier, name)(x)
        return x

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """Return the last features and those of some taps, or these alone.

        Args:
            x: images of shape (N, 3, H, W).
            indices: of `feature_info`; a number n takes the last n, None takes all.
            norm: no matter: the features of these networks are not normalised.
            stop_early: compute no stage behind the last one that is asked for.
            output_fmt: "NCHW".
            intermediates_only: leave out the last features.

        Raises:
            ExportError: another format, or features that there are not.
            SpecError: a side of the images is not a multiple of the stride.
        """
        if output_fmt != "NCHW":
            raise ExportError(f"output_fmt: these networks give NCHW, not {output_fmt!r}")
        wanted = [self.feature_info[i]["module"] for i in self._indices(indices)]
        stages = self._stages
        if stop_early:
            stages = stages[: 1 + max(i for i, (name, _, _) in enumerate(stages) if name in wanted)]
        outputs = self._outputs(x, stages, wanted)
        features = [outputs[name] for name in wanted]
        return features if intermediates_only else (outputs[stages[-1][0]], features)

    def prune_intermediate_layers(
        self, indices: int | Sequence[int] | None = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop the stages that the given features do not need, and return the features' indices.

        Args:
            indices: as of `forward_intermediates`.
            prune_norm: no matter.
            prune_head: drop the classifier too; without the last stage it is dropped anyway.

        Raises:
            ExportError: features that there are not.
        """
        indices = self._indices(indices)
        kept = features_only(self.graph, [self.feature_info[i]["name"] for i in indices]).nodes
        names = {node.name for node in kept}
        dropped = {node.name for node in self.graph.nodes[:-1]} - names
        for name in dropped & set(self._modules):
            delattr(self, name)
        self._stages, self.num_features = _steps(kept), kept[-1].shape.channels
        if (prune_head or dropped) and self._layers:  # all of it, or training in parallel would miss its gradients
            self.classifier, self._layers = nn.Identity(), ()
            self.num_classes, self.global_pool, self.head_hidden_size = 0, "", self.num_features
        return indices

    def get_classifier(self) -> nn.Module:
        """Return the last layer; where there are no classes, the identity."""
        return self.classifier.get_submodule(self._last) if self._layers else self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a new last layer in place of the last one.

        Args:
            num_classes: outputs; 0 for none but the features.
            global_pool: "avg" or "", see the constructor; None leaves it as it is.

        Raises:
            ExportError: pooling that these networks do not have, or no classifier any more.
            SpecError: a number of classes below 0.
        """
        if not self._layers:
            if num_classes:
                raise ExportError("num_classes: the classifier was dropped along with stages; create a new model")
            return
        pool = self.global_pool if global_pool is None else global_pool
        if pool != "avg" and (pool or num_classes):
            raise ExportError(f"global_pool: must be 'avg', or '' with num_classes=0, but is {pool!r}")
        layer = _new_last_layer(self.spec, num_classes) if num_classes else nn.Identity()
        self.classifier.add_module(self._last, layer.to(next(self.parameters())))
        self.num_classes, self.global_pool = num_classes, pool

    def _indices(self, indices: int | Sequence[int] | None) -> list[int]:
        """Return places in `feature_info`; negative ones count from its end."""
        places = range(len(self.feature_info))
        asked = places if indices is None else range(-indices, 0) if isinstance(indices, int) else indices
        if not asked or not all(-len(places) <= i < len(places) for i in asked):
            raise ExportError(f"indices: this network has features 0 to {places[-1]}, but asked for is {indices}")
        return [places[i] for i in asked]

    def _outputs(self, images_NCHW: Tensor, stages: Sequence[Step], wanted: Collection[str] = ()) -> dict[str, Tensor]:
        """Return the outputs of stages by name: the wanted ones, and what has not been used up."""
        for side in images_NCHW.shape[-2:]:
            check_side(side, self.stride)
        values = {self.graph.inputs[0]: images_NCHW}
        for name, arguments, finished in stages:
            values[name] = getattr(self, name)(*[values[argument] for argument in arguments])
            for value in finished:
                if value not in wanted:
                    del values[value]
        return values


Step = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A stage, what it takes, and what none after it takes."""


def register(name: str, spec: Architecture) -> None:
    """Make `timm.create_model(name)` build an architecture, such as the best one of a study.

    Args:
        name: letters, digits and underscores, which no model of timm has yet.
        spec: the architecture.

    Raises:
        ExportError: timm is missing, or the name does not fit or is taken.
    """
    timm = _timm()
    if not name.isidentifier():
        raise ExportError(f"{name!r} cannot name a model of timm; use letters, digits and underscores")
    if timm.is_model(name):
        raise ExportError(f"timm has a model {name!r} already, and it stays as it is; choose another name")
    graph = build_graph(spec)
    default_cfgs.update(timm.models.generate_default_cfgs({name: _default_cfg(spec, graph)}))
    timm.models.register_model(_constructor(name, spec, outputs=len(_feature_info(graph))))
    __all__.remove(name)  # timm adds it, as if it stood in this module


def _constructor(name: str, spec: Architecture, *, outputs: int) -> Callable[..., nn.Module]:
    """Return the function that timm calls to create a model."""

    def construct(pretrained: bool = False, **options: Any) -> nn.Module:
        from timm.models import build_model_with_cfg

        if pretrained:
            _check_source(name, options)
        features = {"feature_cls": "getter", "out_indices": tuple(range(outputs))}
        network = partial(TimmNetwork, spec)
        built: nn.Module = build_model_with_cfg(network, name, pretrained, feature_cfg=features, **options)
        return built

    construct.__name__ = construct.__qualname__ = name
    return construct


def _check_source(name: str, options: dict[str, Any]) -> None:
    """Refuse to load weights from nowhere.

    Raises:
        ExportError: no file, address or state dict is given.
    """
    from timm.models import resolve_pretrained_cfg

    cfg = resolve_pretrained_cfg(name, options.get("pretrained_cfg"), options.get("pretrained_cfg_overlay"))
    if not (cfg.has_weights or cfg.state_dict):
        raise ExportError(
            f"pretrained: no weights of {name} are hosted anywhere; leave it out, or give your own by "
            "pretrained_cfg_overlay=dict(file='model.safetensors')"
        )


def _default_cfg(spec: Architecture, graph: Graph) -> dict[str, Any]:
    _, height, width = graph.nodes[-2].shape
    return {  # mean and deviation are timm's default, ImageNet's
        "input_size": (IMAGE_CHANNELS, spec.image_size, spec.image_size),
        "min_input_size": (IMAGE_CHANNELS, graph.stride, graph.stride),
        "num_classes": spec.classes,
        "pool_size": (height, width),
        "interpolation": "bilinear",
        "crop_pct": 1.0 if spec.image_size <= _SMALL_IMAGE else 0.875,
        "classifier": f"{CLASSIFIER}.{_last_layer(_head(graph)).name}",
    }


def _feature_info(graph: Graph) -> list[dict[str, Any]]:
    """Return what timm asks of features, which must come in the order of their strides."""
    taps = sorted(taps_of(graph), key=lambda tap: tap.stride)
    return [{"name": t.name, "module": t.node, "num_chs": t.channels, "reduction": t.stride} for t in taps]


def _steps(nodes: Sequence[Node]) -> tuple[Step, ...]:
    last_use = {argument: node.name for node in nodes for argument in node.inputs}
    return tuple(
        (node.name, node.inputs, tuple(value for value, user in last_use.items() if user == node.name))
        for node in nodes
    )


def _head(graph: Graph) -> Graph:
    """Return the classifier, which is a chain of layers."""
    return cast(Graph, graph.node(CLASSIFIER).op)


def _last_layer(head: Graph) -> Node:
    return [node for node in head.nodes if isinstance(node.op, (Conv, Linear))][-1]


def _new_last_layer(spec: Architecture, classes: int) -> nn.Module:
    """Return the layer that turns features into logits, initialised as that of a whole network is."""
    graph = build_graph(with_fields(spec, {"classes": classes}))
    head = _head(graph)
    alone = build_network(replace(head, fan=graph.fan), seed=_seed())
    return alone.get_submodule(_last_layer(head).name)


def _seed() -> int:
    """Draw a seed from the global random state, which timm's users seed by hand."""
    return int(torch.randint(2**31, (), device="cpu"))


def _timm() -> Any:
    try:
        import timm
    except ModuleNotFoundError as missing:
        raise ExportError(
            f"{missing.name} is not installed, and without it no network becomes a model of timm; "
            "install it by `pip install -e '.[timm]'`"
        ) from missing
    return timm


def _register_presets() -> None:
    timm = _timm()
    for preset in preset_names():
        name = preset.replace("-", "_")
        if not timm.is_model(name):
            register(name, load_spec(preset))


_register_presets()
