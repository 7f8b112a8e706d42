"""A folder of image files, one folder a class, as torchvision's ImageFolder reads them.

    PATH/train/CLASS/*.jpg    to learn from
    PATH/val/CLASS/*.jpg      to choose by
    PATH/test/CLASS/*.jpg     to report

With only one of `val` and `test`, that one is the test part, and 10 % of the training images are set aside as the
validation part: stratified, and the same ones every time. Folders within a class folder are searched too. Names that
begin with a dot are ignored, and so are files that are no images by their extension.
"""

from __future__ import annotations

from pathlib import Path

from fishnet_search.data.description import Split
from fishnet_search.data.folders import ClassFiles, check_classes, check_several, class_files, listed, opened
from fishnet_search.data.listing import Offer
from fishnet_search.errors import DataError

_LAYOUT = "expected PATH/train/CLASS/*.jpg and the same classes in PATH/val, PATH/test or both"


def offer_imagefolder(path: str) -> Offer:
    """Return the images of a folder, sorted by class and name; none of them is opened yet.

    Raises:
        DataError: the folder is missing or not laid out as this module says.
    """
    root = opened(path, _LAYOUT)
    parts = {name: class_files(root / name) for name in ("train", "val", "test") if (root / name).is_dir()}
    _check_layout(root, parts)
    classes = tuple(parts["train"])
    found = {name: listed(files) for name, files in parts.items()}
    if len(parts) == 3:
        return Offer(classes, found["train"], found["val"], found["test"])
    train, test = found.values()
    return Offer(classes, train, test=test, aside=Split(validation=-(-len(train.labels) // 10)))


def _check_layout(root: Path, parts: dict[str, ClassFiles]) -> None:
    if "train" not in parts:
        raise DataError(f"{root}: has no folder train; {_LAYOUT}")
    if len(parts) == 1:
        raise DataError(f"{root}: has neither a folder val nor a folder test; {_LAYOUT}")
    for name, files in parts.items():
        if not files:
            raise DataError(f"{root / name}: has no class folders; {_LAYOUT}")
        check_classes(root / name, files, parts["train"], "in train")
    check_several(root, parts["train"])
