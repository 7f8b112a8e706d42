"""PCA lighting: light of another strength and colour on the whole of an image."""

from __future__ import annotations

import torch
from torch import Tensor

EIGENVALUES_3 = torch.tensor([0.2175, 0.0188, 0.0045])
EIGENVECTORS_33 = torch.tensor([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
"""Of the colours of ImageNet's pixels from 0 to 1; a column is an eigenvector, a row a channel."""


def draw_lighting(images: int, deviation: float, generator: torch.Generator) -> Tensor:
    """Return what is added to the channels of images with values from 0 to 1, (N, 3).

    Each eigenvector is added as often as its eigenvalue times a normal number of that deviation.

    Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, 2012, section 4.1;
    eigenvectors and eigenvalues as in facebook/fb.resnet.torch, datasets/transforms.lua.
    """
    alphas_N3 = deviation * torch.randn(images, 3, generator=generator)
    return (alphas_N3 * EIGENVALUES_3) @ EIGENVECTORS_33.T
