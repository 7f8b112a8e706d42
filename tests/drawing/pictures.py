"""Reads drawings back: what stands where."""

import re
from dataclasses import dataclass
from itertools import combinations, pairwise
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
ADVANCE = 0.62  # of a character, over the size of its font


@dataclass(frozen=True)
class Area:
    words: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Area") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )


class Picture:
    """A drawing with every element at its place in the whole."""

    def __init__(self, svg: str) -> None:
        self.root = ElementTree.fromstring(svg)
        _, _, self.width, self.height = map(float, self.root.get("viewBox").split())
        self._placed = list(_placed(self.root, 0.0, 0.0))

    def of_class(self, name):
        return [element for element, _, _ in self._placed if element.get("class") == name]

    def by_stage(self):
        return {element.get("data-stage"): element for element in self.of_class("stage")}

    def words(self):
        return [element.text for element, _, _ in self._placed if element.tag == f"{SVG}text"]

    def row_heights(self):
        """Pixels a side -> y of the row."""
        return {
            int(row.get("data-side")): self._shift(row)[1] + float(row.get("data-y")) for row in self.of_class("row")
        }

    def texts(self):
        for element, x, y in self._placed:
            if element.tag == f"{SVG}text":
                size = float(element.get("font-size"))
                width = ADVANCE * size * len(element.text)
                left = (
                    x + float(element.get("x")) - {"middle": 0.5, "end": 1}.get(element.get("text-anchor"), 0) * width
                )
                base = y + float(element.get("y"))
                yield Area(element.text, left, base - 0.75 * size, left + width, base + 0.22 * size)

    def boxes(self):
        """Stage -> the frame of its box."""
        return {name: self._area(name, box.find(f"{SVG}rect")) for name, box in self.by_stage().items()}

    def way(self, element):
        """Return the corners of a line."""
        line = element.find(f"{SVG}path")
        x, y = self._shift(line)
        corners = re.findall(r"[ML]([-\d.]+),([-\d.]+)|Q([-\d.]+),([-\d.]+) [-\d.]+,[-\d.]+", line.get("d"))
        return [(x + float(a or c), y + float(b or d)) for a, b, c, d in corners]

    def _area(self, words, rect):
        x, y = self._shift(rect)
        left, top = x + float(rect.get("x")), y + float(rect.get("y"))
        return Area(words, left, top, left + float(rect.get("width")), top + float(rect.get("height")))

    def _shift(self, wanted):
        return next((x, y) for element, x, y in self._placed if element is wanted)


def overlaps(picture: Picture) -> list[tuple[str, str]]:
    """Pairs of texts that touch, and texts that touch another stage's box."""
    texts, boxes = list(picture.texts()), picture.boxes()
    found = [(a.words, b.words) for a, b in combinations(texts, 2) if a.meets(b)]
    for stage, box in boxes.items():
        inside = {child.text for child in picture.by_stage()[stage].iter(f"{SVG}text")}
        found += [(text.words, stage) for text in texts if text.meets(box) and text.words not in inside]
    return found


def outside(picture: Picture) -> list[str]:
    """Texts and boxes that leave the picture."""
    return [
        area.words
        for area in [*picture.texts(), *picture.boxes().values()]
        if area.left < 0 or area.top < 0 or area.right > picture.width or area.bottom > picture.height
    ]


def hidden_lines(picture: Picture) -> list[tuple[str, str]]:
    """Lines that pass behind a box."""
    found = []
    for line in picture.of_class("transfer") + picture.of_class("main"):
        for (x, y), (x_to, y_to) in pairwise(picture.way(line)):
            piece = Area("", min(x, x_to), min(y, y_to), max(x, x_to), max(y, y_to))
            for name, box in picture.boxes().items():
                inner = Area(name, box.left + 0.5, box.top + 0.5, box.right - 0.5, box.bottom - 0.5)
                if piece.meets(inner):
                    found.append((f"{line.get('data-from')} to {line.get('data-to')}", name))
    return found


def crossings(picture: Picture) -> list[tuple[str, str]]:
    """Transfers that cross another line, but for where they leave the main path or join it."""
    found = []
    for line in picture.of_class("transfer"):
        for other in picture.of_class("transfer") + picture.of_class("main"):
            for (x, y), (x_to, y_to) in pairwise(picture.way(line)):
                for (a, b), (a_to, b_to) in pairwise(picture.way(other)):
                    level = min(x, x_to) + 1 < a < max(x, x_to) - 1 and min(b, b_to) + 1 < y < max(b, b_to) - 1
                    upright = min(a, a_to) + 1 < x < max(a, a_to) - 1 and min(y, y_to) + 1 < b < max(y, y_to) - 1
                    if level or upright:
                        found.append((line.get("data-to"), other.get("data-to")))
    return found


def struck(picture: Picture) -> list[str]:
    """Texts that a line passes through, but for those in a frame on a transfer."""
    texts = [text for text in picture.texts() if not text.words.endswith("× transfer")]
    found = []
    for line in picture.of_class("transfer") + picture.of_class("main"):
        for (x, y), (x_to, y_to) in pairwise(picture.way(line)):
            piece = Area("", min(x, x_to), min(y, y_to), max(x, x_to) + 0.1, max(y, y_to) + 0.1)
            found += [text.words for text in texts if text.meets(piece)]
    return found


def _placed(element, x, y):
    if shift := re.fullmatch(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", "")):
        x, y = x + float(shift[1]), y + float(shift[2])
    yield element, x, y
    for child in element:
        yield from _placed(child, x, y)
