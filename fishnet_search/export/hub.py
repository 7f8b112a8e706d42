"""Models as the Hugging Face Hub's mixin has them: `from_pretrained`, `save_pretrained` and `push_to_hub`.

Importing this module needs huggingface_hub; the files themselves are read and written by `export.folder` without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from typing_extensions import Self

from fishnet_search.errors import ExportError
from fishnet_search.export.folder import CONFIG, WEIGHTS, Config, config_of, load_hub, write_hub
from fishnet_search.export.model import Model
from fishnet_search.graph.build import build_graph
from fishnet_search.network.network import Network

try:
    from huggingface_hub import PyTorchModelHubMixin, snapshot_download
except ImportError as missing:
    raise ExportError("huggingface_hub is missing; install it with `pip install -e '.[export]'`") from missing

__all__ = ["PretrainedModel", "PretrainedNetwork", "load_hub", "write_hub"]


class _Pretrained(PyTorchModelHubMixin):
    """What is known of any model, where it comes from and where it goes."""

    def _know(self, config: Config) -> None:
        self.name = config.name
        self.spec = config.spec
        self.classes = config.classes
        self.preparation = config.preparation
        self.trained = config.trained
        self.task = config.task

    @classmethod
    def from_pretrained(  # type: ignore[override]  # what else the mixin passes on has no meaning here
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = True,
        revision: str | None = None,
    ) -> Self:
        """Return the model of an exported folder, or of a model on the Hub, in evaluation mode on the CPU.

        The mixin's own way would read the files before they are checked.

        Args:
            pretrained_model_name_or_path: a folder, or "USER/MODEL".
            force_download: as in huggingface_hub, like the next two; none of them concerns a folder.
            token: for a model that is not public.
            cache_dir: where downloads are kept.
            local_files_only: whether only downloads that are in the cache are looked at; the network is asked for
                nothing unless this is False.
            revision: of a model on the Hub.

        Raises:
            ExportError: there is no such folder or model, or its files are not as `load_hub` wants them.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            try:
                downloaded = snapshot_download(
                    str(pretrained_model_name_or_path),
                    allow_patterns=[CONFIG, WEIGHTS],
                    force_download=force_download,
                    token=token,
                    cache_dir=cache_dir,
                    local_files_only=local_files_only,
                    revision=revision,
                )
            except (OSError, ValueError) as problem:
                raise ExportError(
                    f"{pretrained_model_name_or_path}: is no folder, and no model in the cache of downloads; check "
                    "the path, or pass local_files_only=False to ask the Hub for it"
                    if local_files_only
                    else f"{pretrained_model_name_or_path}: cannot be had from the Hub: {problem}"
                ) from problem
            folder = Path(str(downloaded))
        model = load_hub(folder)
        pretrained: Any = cls(config_of(model), model.network)
        still: Self = pretrained.eval()
        return still

    def _write(self, network: nn.Module, folder: Path) -> None:
        own = (self.name, self.spec, network, self.classes, self.preparation)
        write_hub(Model(*own, record=None, trained=self.trained, task=self.task), folder)


class PretrainedNetwork(
    Network,
    _Pretrained,
    library_name="fishnet-search",
    pipeline_tag="image-classification",
    tags=["fishnet-search", "image-classification"],
):
    """A network with its weights, its classes and how it wants its images.

    It is a network like any other: it takes normalised images of shape (N, 3, H, W), float32, and returns logits of
    shape (N, classes); its weights go by the names that they have in `model.safetensors`.
    """

    def __init__(self, config: Config, network: Network) -> None:
        """Take over a network.

        Args:
            config: what is known of it.
            network: that `config.spec` stands for; its stages become those of this one.

        Raises:
            ExportError: it is a model for another task than classification.
        """
        if config.task.kind != "classification":
            raise ExportError(f"{config.name}: is a model for {config.task.kind}; load it by PretrainedModel")
        with torch.device("meta"):  # their place is taken by those of the network
            super().__init__(build_graph(config.spec))
        for name, stage in network.named_children():
            setattr(self, name, stage)
        self._know(config)

    def _save_pretrained(self, save_directory: Path) -> None:
        self._write(self, save_directory)


class PretrainedModel(nn.Module, _Pretrained, library_name="fishnet-search", tags=["fishnet-search"]):
    """The model of any task, `model`, with its weights, its classes and how it wants its images.

    It takes and returns what `model` does, see `fishnet_search.task.models.build_model`. Files have the weights of
    `model` by the names that they have in it.
    """

    def __init__(self, config: Config, model: nn.Module) -> None:
        """Take a model.

        Args:
            config: what is known of it.
            model: from `build_model`.
        """
        super().__init__()
        self.model = model
        self._know(config)

    def forward(self, *inputs: Any) -> Any:
        """Ask the model."""
        return self.model(*inputs)

    def _save_pretrained(self, save_directory: Path) -> None:
        self._write(self.model, save_directory)
