"""Classes for pixels: a head on one output of a backbone."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from fishnet_search.network.network import Network

FCN_DROPOUT = 0.1


class Segmenter(nn.Module):
    """A backbone with one output, and a head whose logits are interpolated to the size of the images.

    The head: a 3×3 convolution, batch normalisation, ReLU, dropout, and a 1×1 convolution to the classes.

    Args:
        body: the backbone.
        hidden: channels of the head.
        classes: how many, the background included where there is one.
        dropout: probability; without dropout in the light head on a fish, whose own body brings details back.

    Source: torchvision, models/segmentation/fcn.py, FCNHead.
    """

    def __init__(self, body: Network, hidden: int, classes: int, *, dropout: float) -> None:
        super().__init__()
        self.body = body
        (tap,) = body.taps
        self.head = nn.Sequential(
            OrderedDict(
                conv1=nn.Conv2d(tap.channels, hidden, 3, padding=1, bias=False),
                norm1=nn.BatchNorm2d(hidden),
                relu=nn.ReLU(),
                dropout=nn.Dropout(dropout),
                conv2=nn.Conv2d(hidden, classes, 1),
            )
        )

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Return logits of shape (N, classes, H, W), float32 in every precision.

        Raises:
            SpecError: a side of the images is not a multiple of the backbone's stride.
        """
        (features_NCHW,) = self.body(images_NCHW).values()
        logits_NCHW = self.head(features_NCHW).float()
        return functional.interpolate(logits_NCHW, images_NCHW.shape[-2:], mode="bilinear", align_corners=False)
