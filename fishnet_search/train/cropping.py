"""What is cut from pictures and brought to the network's size."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fishnet_search.data.pictures import Pictures
from fishnet_search.train.recipe import Recipe

_TRIES = 10  # for a part that fits into the picture, as torchvision has it


def central_boxes(sides_N2: Tensor, size: int) -> Tensor:
    """Return top, left, height and width, int64 (N, 4), of the squares in the middle of pictures.

    Source: torchvision.transforms.v2.functional.center_crop, whose halves are rounded to even.
    """
    starts_N2 = ((sides_N2 - size) / 2).round().long()
    return torch.cat([starts_N2, torch.full_like(starts_N2, size)], 1)


def padded_boxes(sides_N2: Tensor, size: int, padding: int, generator: torch.Generator) -> Tensor:
    """Draw squares, int64 (N, 4), anywhere in pictures with black around them; a top or left may be negative.

    Source: torchvision.transforms.v2.RandomCrop with a padding.
    """
    choices_N2 = (sides_N2 + 2 * padding - size + 1).clamp(min=1)
    starts_N2 = _drawn_below(choices_N2, generator) - padding
    return torch.cat([starts_N2, torch.full_like(starts_N2, size)], 1)


def resized_boxes(recipe: Recipe, sides_N2: Tensor, generator: torch.Generator) -> Tensor:
    """Draw parts of random area and aspect within pictures, int64 (N, 4).

    Where ten tries do not fit, it is the largest part in the middle whose aspect the recipe allows.

    Source: torchvision.transforms.v2.RandomResizedCrop; GoogLeNet's paper, section 6.
    """
    heights_N, widths_N = sides_N2.double().unbind(1)
    uniform_2NT = torch.rand(2, len(sides_N2), _TRIES, generator=generator, dtype=torch.float64)
    share_NT = recipe.crop_least + (recipe.crop_most - recipe.crop_least) * uniform_2NT[0]
    aspect_NT = ((2 * uniform_2NT[1] - 1) * math.log(recipe.crop_aspect)).exp()
    area_NT = share_NT * (heights_N * widths_N)[:, None]
    wide_NT, high_NT = (area_NT * aspect_NT).sqrt().round(), (area_NT / aspect_NT).sqrt().round()
    fits_NT = (wide_NT >= 1) & (wide_NT <= widths_N[:, None]) & (high_NT >= 1) & (high_NT <= heights_N[:, None])
    first_N1 = fits_NT.byte().argmax(1, keepdim=True)

    drawn_N2 = torch.cat([high_NT.gather(1, first_N1), wide_NT.gather(1, first_N1)], 1).long()
    widest_N = torch.minimum(widths_N, (heights_N * recipe.crop_aspect).round())
    highest_N = torch.minimum(heights_N, (widths_N * recipe.crop_aspect).round())
    sizes_N2 = torch.where(fits_NT.any(1)[:, None], drawn_N2, torch.stack([highest_N, widest_N], 1).long())

    starts_N2 = _drawn_below(sides_N2 - sizes_N2 + 1, generator)
    middle_N2 = (sides_N2 - sizes_N2) // 2
    return torch.cat([torch.where(fits_NT.any(1)[:, None], starts_N2, middle_N2), sizes_N2], 1)


def _drawn_below(limits: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a whole number from 0 to below each limit."""
    return (torch.rand(limits.shape, generator=generator, dtype=torch.float64) * limits).long()


def cut(pictures: Pictures, indices_N: Tensor, boxes_N4: Tensor, flipped_N: Tensor, size: int) -> Tensor:
    """Return boxes of pictures as squares, uint8 (N, 3, size, size), where the pictures are.

    What lies outside a picture is black. A box of another size is resized bilinearly, with antialiasing.

    Args:
        pictures: of any sizes on the CPU, of one size on another device.
        indices_N: of pictures, on the CPU.
        boxes_N4: of each: top, left, height, width.
        flipped_N: whether each is mirrored, left for right.
        size: pixels a side.
    """
    unscaled = bool((boxes_N4[:, 2:] == size).all())
    if unscaled and bool((pictures.sides_N2 == size).all()) and not boxes_N4[:, :2].any() and not flipped_N.any():
        return pictures.stacked(indices_N)
    if pictures.device.type == "cpu":
        return _one_by_one(pictures, indices_N, boxes_N4, flipped_N, size)
    return (windows if unscaled else resampled)(pictures.stacked(indices_N), boxes_N4, flipped_N, size)


def _one_by_one(pictures: Pictures, indices_N: Tensor, boxes_N4: Tensor, flipped_N: Tensor, size: int) -> Tensor:
    """See `cut`. The fastest way on the CPU: it touches no other pixels, resizes bytes, and numpy slices in no time."""
    images_NCHW = torch.zeros(len(indices_N), 3, size, size, dtype=torch.uint8)
    bytes_B, starts_N, sides_N2 = pictures.bytes_B.numpy(), pictures.starts_N[indices_N], pictures.sides_N2[indices_N]
    drawn = zip(starts_N.tolist(), sides_N2.tolist(), boxes_N4.tolist(), flipped_N.tolist(), strict=True)
    for image_CHW, (start, (high, wide), (top, left, height, width), flipped) in zip(
        images_NCHW.numpy(), drawn, strict=True
    ):
        picture_CHW = bytes_B[start : start + 3 * high * wide].reshape(3, high, wide)
        part_CHW = picture_CHW[:, max(top, 0) : top + height, max(left, 0) : left + width]
        if (height, width) != (size, size):
            part_CHW = _resized(part_CHW, size)
        down, right = max(-top, 0), max(-left, 0)
        if flipped:
            right, part_CHW = size - right - part_CHW.shape[2], part_CHW[:, :, ::-1]
        image_CHW[:, down : down + part_CHW.shape[1], right : right + part_CHW.shape[2]] = part_CHW
    return images_NCHW


def _resized(part_CHW: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    # with a pixel's channels side by side torch has a faster kernel, of the same results
    bytes_1CHW = torch.from_numpy(part_CHW)[None].contiguous(memory_format=torch.channels_last)
    return functional.interpolate(bytes_1CHW, [size, size], mode="bilinear", antialias=True)[0].numpy()


def windows(images_NCHW: Tensor, boxes_N4: Tensor, flipped_N: Tensor, size: int) -> Tensor:
    """Return boxes of this size of images, all at once. See `cut`."""
    device = images_NCHW.device
    tops_N1, lefts_N1 = boxes_N4.to(device)[:, 0:1], boxes_N4.to(device)[:, 1:2]
    along_S = torch.arange(size, device=device)
    rows_NS = tops_N1 + along_S
    columns_NS = lefts_N1 + torch.where(flipped_N.to(device)[:, None], size - 1 - along_S, along_S)
    height, width = images_NCHW.shape[2:]
    inside_NSS = ((rows_NS >= 0) & (rows_NS < height))[:, :, None] & ((columns_NS >= 0) & (columns_NS < width))[:, None]
    rows_NS, columns_NS = rows_NS.clamp(0, height - 1), columns_NS.clamp(0, width - 1)
    images_N = torch.arange(len(images_NCHW), device=device)
    taken_NSSC = images_NCHW[images_N[:, None, None], :, rows_NS[:, :, None], columns_NS[:, None]]
    return (taken_NSSC * inside_NSS[..., None]).permute(0, 3, 1, 2).contiguous()


def resampled(images_NCHW: Tensor, boxes_N4: Tensor, flipped_N: Tensor, size: int) -> Tensor:
    """Return boxes of images resized, all at once: to one grey level what `cut` gives one by one.

    A row and a column of the result are weighted means of those of the image, so it is two products of matrices.
    """
    device = images_NCHW.device
    tops_N, lefts_N, heights_N, widths_N = boxes_N4.to(device).unbind(1)
    down_NSH = _weights(tops_N, heights_N, images_NCHW.shape[2], size)
    across_NSW = _weights(lefts_N, widths_N, images_NCHW.shape[3], size)
    across_NSW = torch.where(flipped_N.to(device)[:, None, None], across_NSW.flip(1), across_NSW)
    means_NCSS = down_NSH[:, None] @ images_NCHW.float() @ across_NSW.transpose(1, 2)[:, None]
    return means_NCSS.round().clamp(0, 255).to(torch.uint8)


def _weights(starts_N: Tensor, lengths_N: Tensor, length: int, size: int) -> Tensor:
    """Return the weight of each pixel of a row in each pixel of the resized part of it, (N, size, length).

    Source: ATen's antialiased bilinear interpolation: a triangle as wide as a pixel of the result, at least 1.
    """
    scale_N = lengths_N.float() / size
    centres_NS = starts_N[:, None] + (torch.arange(size, device=starts_N.device) + 0.5) * scale_N[:, None]
    pixels_L = torch.arange(length, device=starts_N.device)
    distance_NSL = (pixels_L + 0.5 - centres_NS[:, :, None]).abs()
    inside_NL = (pixels_L >= starts_N[:, None]) & (pixels_L < (starts_N + lengths_N)[:, None])
    weights_NSL = (1 - distance_NSL / scale_N.clamp(min=1)[:, None, None]).clamp(min=0) * inside_NL[:, None]
    return weights_NSL / weights_NSL.sum(2, keepdim=True)
