"""Pictures of shapes, drawn from a seed: nothing to download, and every picture knows its class, boxes and masks.

Eight shapes, turned, of several sizes, with textures, on textured grounds with clutter. The class of a picture is the
shape of its largest object. All is whole numbers, on a grid of `_UNITS` a side, and drawn from the bits of a generator
that numpy keeps as it is: a picture has the same bytes on every machine. At another side it is the same scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fishnet_search.data.listing import ListedPart, Listing
from fishnet_search.errors import DataError

CLASSES = ("arrow", "circle", "crescent", "cross", "ring", "square", "star", "triangle")
SMALLEST, LARGEST = 32, 256
"""Pixels a side of the pictures that `list_shapes` offers."""

_TRAIN_IMAGES = 4000
_FEWEST, _MOST = 4 * len(CLASSES), 10_000_000
_PARTS = ("train", "validation", "test")

_UNITS = 4096  # a side
_ONE = 1024  # stands for 1 in sines and cosines
_TURNS = 64  # angles that things can have
_MAIN_RADIUS = (700, 1500)  # of the object that gives the class, in units
_OTHERS = 5  # other objects at most
_TRIES = 8  # to find a place for each
_LARGEST_OTHER = 55  # % of the main object's radius: even a circle is smaller than any main object then
_PIECES = (6, 16)  # of clutter
_NOISE = 32  # grey levels at most

Numbers = NDArray[np.int32]
Mask = NDArray[np.bool_]
Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

_COSINES = [round(_ONE * math.cos(2 * math.pi * turn / _TURNS)) for turn in range(_TURNS)]
_SINES = [round(_ONE * math.sin(2 * math.pi * turn / _TURNS)) for turn in range(_TURNS)]


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is in it: K objects, each of which is seen at least in part."""

    image_HW3: Pixels  # noqa: N815
    label: int  # the class of the largest object
    boxes_K4: NDArray[np.float32]  # noqa: N815  x1, y1, x2, y2 in pixels, around what is seen of each object
    labels_K: NDArray[np.int64]  # noqa: N815  indices into CLASSES
    masks_KHW: Mask  # noqa: N815  the pixels that are seen of each object; none is of two


def list_shapes(images: str | None) -> Listing:
    """Return pictures of shapes, from 32 to 256 pixels a side, which are drawn when they are read.

    Args:
        images: how many there are to train on, a quarter of which each of the other parts has; None: 4,000. Of two
            numbers, the smaller gives the first pictures of the larger.

    Raises:
        DataError: that is no such number.
    """
    parts = {name: _listed(seed, count) for seed, (name, count) in enumerate(counts(images).items())}
    return Listing(CLASSES, parts["train"], parts["validation"], parts["test"])


def counts(images: str | None) -> dict[str, int]:
    """Return how many pictures each part has; the place of a part is the seed that its pictures are drawn from.

    Raises:
        DataError: as `list_shapes`.
    """
    train = _TRAIN_IMAGES if images is None else _number(images)
    return {name: train if name == "train" else train // 4 for name in _PARTS}


def draw(seed: int, index: int, side: int) -> Scene:
    """Draw one picture.

    Args:
        seed: of a set of pictures.
        index: in the set. The classes take turns.
        side: pixels.
    """
    chance, canvas = _Chance(seed, index), _Canvas(side)
    ground = _texture(chance, _colour(chance), _colour(chance))
    canvas.paint(ground)
    for _ in range(chance.between(*_PIECES)):
        thing, length = _bar(chance), chance.between(100, 500)
        at = _Place(chance.below(_UNITS), chance.below(_UNITS), length, chance.below(_TURNS))
        canvas.put(thing, at, _plain(_colour(chance)))
    *others, main = _objects(chance, index % len(CLASSES))
    masks = np.zeros((len(others) + 1, side, side), np.bool_)
    for number, (label, at) in enumerate((*others, main)):
        colour = max((_colour(chance) for _ in range(4)), key=ground.unlike)
        covered = canvas.put(_FORMS[CLASSES[label]], at, _texture(chance, colour, chance.near(colour)))
        masks &= ~covered
        masks[number] = covered
    return _scene(canvas.with_noise(chance), np.array([label for label, _ in (*others, main)]), masks)


def _number(images: str) -> int:
    if images.isascii() and images.isdigit() and _FEWEST <= int(images) <= _MOST:
        return int(images)
    raise DataError(
        f"data 'shapes:{images}': how many pictures to train on is a whole number from {_FEWEST} to {_MOST:,}; "
        "write 'shapes' or, for example, 'shapes:1000'"
    )


def _listed(seed: int, count: int) -> ListedPart:
    pictures = [partial(_read, seed, index) for index in range(count)]
    return ListedPart(pictures, np.arange(count, dtype=np.int64) % len(CLASSES))


def _read(seed: int, index: int) -> tuple[bytes, Image.Image]:
    side = _Chance(seed, index, 1).between(SMALLEST, LARGEST)
    image_HW3 = draw(seed, index, side).image_HW3
    return image_HW3.tobytes(), Image.fromarray(image_HW3)


class _Chance:
    """Draws whole numbers from the raw bits of PCG64, which no version of numpy may change."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed))

    def below(self, end: int) -> int:
        return int(self._bits.random_raw()) % end

    def between(self, least: int, most: int) -> int:
        return least + self.below(most - least + 1)

    def near(self, colour: Colour) -> Colour:
        red, green, blue = (min(255, max(0, level + self.between(-60, 60))) for level in colour)
        return red, green, blue

    def bytes(self, count: int) -> Pixels:
        raw = np.asarray(self._bits.random_raw(-(-count // 8))).astype("<u8")
        return np.frombuffer(raw.tobytes(), np.uint8, count)


@dataclass(frozen=True)
class _Place:
    """Where a thing is, in units, how far it reaches from there, and how it is turned."""

    y: int
    x: int
    radius: int
    turn: int

    def seen_from(self, y_H1: Numbers, x_1W: Numbers) -> tuple[Numbers, Numbers]:
        """Return coordinates along the thing and across it, with the thing in the middle."""
        return _turned(y_H1 - self.y, x_1W - self.x, self.turn)

    def clear_of(self, other: _Place) -> bool:
        """Whether at most the edges of the two are over one another."""
        apart = (self.y - other.y) ** 2 + (self.x - other.x) ** 2
        return 100 * apart > 64 * (self.radius + other.radius) ** 2


Form = Callable[[Numbers, Numbers, int], Mask]
"""Whether points at (u, v) from the middle of a thing with a radius are on it."""


@dataclass(frozen=True)
class _Texture:
    """Two colours and how they are mixed."""

    first: Colour
    second: Colour
    mix: Callable[[Numbers, Numbers], Numbers]  # of the second colour, from 0 to 255, at points (H, 1) and (1, W)

    def at(self, y_H1: Numbers, x_1W: Numbers) -> Numbers:
        """Return the colours at these points, (H, W, 3) or what gives that by broadcasting."""
        first, second = np.array(self.first, np.int32), np.array(self.second, np.int32)
        return np.asarray(first + (second - first) * self.mix(y_H1, x_1W)[..., None] // 255, np.int32)

    def unlike(self, colour: Colour) -> int:
        """Return how far a colour is from the nearer of the two."""
        return min(sum(abs(a - b) for a, b in zip(colour, own, strict=True)) for own in (self.first, self.second))


class _Canvas:
    """A picture that is being drawn. Edges are smooth: each pixel is four points."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._pixels = _centres(side)
        self._points = _centres(2 * side)
        self._image_HW3 = np.zeros((side, side, 3), np.int32)

    def paint(self, texture: _Texture) -> None:
        self._image_HW3[:] = texture.at(self._pixels[:, None], self._pixels[None, :])

    def put(self, form: Form, place: _Place, texture: _Texture) -> Mask:
        """Draw a thing over what is there, and return the pixels that it covers at least by half."""
        covered = np.zeros((self._side, self._side), np.bool_)
        ys, xs = self._span(place.y, place.radius), self._span(place.x, place.radius)
        points_y, points_x = (self._points[2 * span.start : 2 * span.stop] for span in (ys, xs))
        inside = form(*place.seen_from(points_y[:, None], points_x[None, :]), place.radius)
        quarters = np.add.reduce([inside[y::2, x::2] for y in (0, 1) for x in (0, 1)], dtype=np.int32)
        colours = texture.at(self._pixels[ys][:, None], self._pixels[xs][None, :])
        share, below = quarters[..., None], self._image_HW3[ys, xs]
        self._image_HW3[ys, xs] = (below * (4 - share) + colours * share + 2) // 4
        covered[ys, xs] = quarters >= 2
        return covered

    def with_noise(self, chance: _Chance) -> Pixels:
        """Return the picture with noise in every pixel, and none outside 0 to 255."""
        strength = chance.below(_NOISE)
        noise = chance.bytes(self._image_HW3.size).reshape(self._image_HW3.shape).astype(np.int32) * strength // 256
        return np.asarray(np.clip(self._image_HW3 + noise - strength // 2, 0, 255), np.uint8)

    def _span(self, middle: int, radius: int) -> slice:
        low, high = (middle - radius) * self._side // _UNITS, (middle + radius) * self._side // _UNITS + 1
        return slice(max(low, 0), min(high, self._side))


def _centres(count: int) -> Numbers:
    """Return where the middles of so many pixels are, in units."""
    return ((2 * np.arange(count, dtype=np.int32) + 1) * _UNITS // (2 * count)).astype(np.int32)


def _turned(y: Numbers, x: Numbers, turn: int) -> tuple[Numbers, Numbers]:
    cosine, sine = np.int32(_COSINES[turn]), np.int32(_SINES[turn])
    return (x * cosine + y * sine) // _ONE, (y * cosine - x * sine) // _ONE


def _objects(chance: _Chance, label: int) -> Iterator[tuple[int, _Place]]:
    """Give a few objects with their classes. The largest is last, whole in the picture and before the others."""
    radius = chance.between(*_MAIN_RADIUS)
    y, x = (chance.between(radius, _UNITS - radius) for _ in "yx")
    main = _Place(y, x, radius, chance.below(_TURNS))
    placed = [main]
    for _ in range(chance.below(_OTHERS + 1)):
        radius = main.radius * chance.between(20, _LARGEST_OTHER) // 100
        other, turn = chance.below(len(CLASSES)), chance.below(_TURNS)
        for _ in range(_TRIES):
            y, x = (chance.between(radius // 2, _UNITS - radius // 2) for _ in "yx")
            place = _Place(y, x, radius, turn)
            if all(map(place.clear_of, placed)):
                placed.append(place)
                yield other, place
                break
    yield label, main


def _scene(image_HW3: Pixels, labels_K: NDArray[np.int64], masks_KHW: Mask) -> Scene:
    """Leave out what is hidden altogether, and put boxes around the others."""
    kept = np.flatnonzero(masks_KHW.any((1, 2)))
    label, labels_K, masks_KHW = int(labels_K[-1]), labels_K[kept], masks_KHW[kept]
    side, ys, xs = masks_KHW.shape[1], np.asarray(masks_KHW.any(2)), np.asarray(masks_KHW.any(1))
    edges = [xs.argmax(1), ys.argmax(1), side - xs[:, ::-1].argmax(1), side - ys[:, ::-1].argmax(1)]
    return Scene(image_HW3, label, np.stack(edges, 1).astype(np.float32), labels_K, masks_KHW)


def _colour(chance: _Chance) -> Colour:
    return chance.below(256), chance.below(256), chance.below(256)


def _plain(colour: Colour) -> _Texture:
    return _Texture(colour, colour, lambda y, x: np.zeros((1, 1), np.int32))


def _texture(chance: _Chance, first: Colour, second: Colour) -> _Texture:
    """Return one of five kinds of texture."""
    mixes = (_gradient, _stripes, _checks, _dots, _clouds)
    return _Texture(first, second, mixes[chance.below(len(mixes))](chance))


def _gradient(chance: _Chance) -> Callable[[Numbers, Numbers], Numbers]:
    turn = chance.below(_TURNS)
    return lambda y, x: abs(_turned(y, x, turn)[0] * 255 // _UNITS % 510 - 255)


def _stripes(chance: _Chance) -> Callable[[Numbers, Numbers], Numbers]:
    turn, width = chance.below(_TURNS), chance.between(130, 500)
    return lambda y, x: _turned(y, x, turn)[0] // width % 2 * 255


def _checks(chance: _Chance) -> Callable[[Numbers, Numbers], Numbers]:
    turn, width = chance.below(_TURNS), chance.between(180, 600)

    def mix(y: Numbers, x: Numbers) -> Numbers:
        u, v = _turned(y, x, turn)
        return np.asarray((u // width + v // width) % 2 * 255)

    return mix


def _dots(chance: _Chance) -> Callable[[Numbers, Numbers], Numbers]:
    turn, width = chance.below(_TURNS), chance.between(250, 700)

    def mix(y: Numbers, x: Numbers) -> Numbers:
        u, v = (along % width - width // 2 for along in _turned(y, x, turn))
        return np.asarray(9 * (u * u + v * v) < width * width, np.int32) * 255

    return mix


def _clouds(chance: _Chance) -> Callable[[Numbers, Numbers], Numbers]:
    """Random levels on a lattice, and straight lines between them."""
    cells = chance.between(3, 12)
    levels = chance.bytes((cells + 2) ** 2).reshape(cells + 2, cells + 2).astype(np.int32)

    def mix(y: Numbers, x: Numbers) -> Numbers:
        (i, dy), (j, dx) = (np.divmod(along * cells, _UNITS) for along in (y, x))
        low = levels[i, j] * (_UNITS - dx) // _UNITS + levels[i, j + 1] * dx // _UNITS
        high = levels[i + 1, j] * (_UNITS - dx) // _UNITS + levels[i + 1, j + 1] * dx // _UNITS
        return np.asarray((low * (_UNITS - dy) + high * dy) // _UNITS)

    return mix


def _bar(chance: _Chance) -> Form:
    thickness = chance.between(8, 30)  # % of the length
    return lambda u, v, radius: (abs(u) <= radius) & (100 * abs(v) <= thickness * radius)


def _star(u: Numbers, v: Numbers, radius: int) -> Mask:
    """Four of the five lines that a five-pointed star is drawn with have each of its points on the inside."""
    inside = sum(_beyond(u, v, fifth) * 1000 <= 309 * radius for fifth in range(5))
    return np.asarray(inside >= 4)


def _beyond(u: Numbers, v: Numbers, fifth: int) -> Numbers:
    """Return how far points are in the direction of a fifth of a turn."""
    cosine, sine = ((1024, 0), (316, 974), (-828, 602), (-828, -602), (316, -974))[fifth]
    return (u * cosine + v * sine) // _ONE


def _triangle(u: Numbers, v: Numbers, radius: int) -> Mask:
    """As far from the middle as half the radius, in three directions a third of a turn apart."""
    half = radius * _ONE // 2
    return (-_ONE * u <= half) & (512 * u + 887 * v <= half) & (512 * u - 887 * v <= half)


_FORMS: dict[str, Form] = {
    "arrow": lambda u, v, r: (
        ((u >= -r) & (u <= 0) & (100 * abs(v) <= 25 * r)) | ((u >= 0) & (10 * abs(v) <= 9 * (r - u)))
    ),
    "circle": lambda u, v, r: u * u + v * v <= r * r,
    "crescent": lambda u, v, r: (u * u + v * v <= r * r) & (100 * ((u - r // 2) ** 2 + v * v) > 56 * r * r),
    "cross": lambda u, v, r: (
        (np.maximum(abs(u), abs(v)) * 100 <= 95 * r) & (np.minimum(abs(u), abs(v)) * 100 <= 28 * r)
    ),
    "ring": lambda u, v, r: (u * u + v * v <= r * r) & (100 * (u * u + v * v) > 36 * r * r),
    "square": lambda u, v, r: np.maximum(abs(u), abs(v)) * 100 <= 70 * r,
    "star": _star,
    "triangle": _triangle,
}
