"""The presets as models of torchvision."""

import pytest
import torch
from torchvision.models import get_model, get_model_builder, list_models

import fishnet_search.torchvision  # noqa: F401  registers them
from fishnet_search.errors import ExportError
from fishnet_search.network.network import Network
from fishnet_search.spec.loading import preset_names


def test_every_preset_is_a_model_of_torchvision():
    assert {preset.replace("-", "_") for preset in preset_names()} <= set(list_models())


@pytest.mark.parametrize("name", ["resnet50", "resnet101", "resnext50_32x4d", "densenet121", "densenet161"])
def test_models_that_torchvision_has_stay_its_own(name):
    assert get_model_builder(name).__module__.startswith("torchvision.models.")


def test_a_model_is_the_network_of_its_preset_with_classes_as_asked():
    torch.manual_seed(0)
    network = get_model("fishnet_nano", weights=None, num_classes=7)
    assert isinstance(network, Network)
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 7)
    assert get_model("fishnet_nano")(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    torch.manual_seed(0)
    assert torch.equal(get_model("fishnet_nano", num_classes=7).stem.conv1.weight, network.stem.conv1.weight)


def test_weights_that_are_not_hosted_are_refused():
    with pytest.raises(ExportError, match="no weights of fishnet_nano are hosted anywhere"):
        get_model("fishnet_nano", weights="DEFAULT")
