"""Folders in the layouts of VOC and COCO, made for a test."""

import json

import numpy as np
from pictures_on_disk import write_image
from PIL import Image


def write_voc(root, parts, *, size=(20, 10), objects=(("cat", (2, 3, 8, 9)),), kind="Main"):
    """Write a VOC folder with the same objects in each image; `parts` has the names in each list."""
    lists = root / "ImageSets" / kind
    lists.mkdir(parents=True, exist_ok=True)
    for part, names in parts.items():
        (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in names))
        for number, name in enumerate(names):
            write_image(root / f"JPEGImages/{name}.jpg", value=number % 256, size=size)
            write_xml(root, name, objects, size=size)
    return root


def write_xml(root, name, objects, *, size=(20, 10)):
    """Write the annotation of an image: names, boxes as VOC has them, and whether difficult."""
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    (root / f"Annotations/{name}.xml").write_text(xml_of(objects, size))


def xml_of(objects, size=(20, 10)):
    lines = ["<annotation>", f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"]
    for label, box, *difficult in objects:
        x1, y1, x2, y2 = box
        lines += [
            f"<object><name>{label}</name><difficult>{int(bool(difficult))}</difficult><bndbox>",
            f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>",
            "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>",
        ]
    return "\n".join([*lines, "</annotation>"])


def write_numbers(file, numbers_HW):
    """Write a palette image with these numbers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(numbers_HW, np.uint8))
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    image.save(file)


def write_coco(root, part, images, objects, *, categories=((7, "dog"), (3, "cat")), size=(20, 10), folder=None):
    """Write images 1, 2, … and their objects: each a dictionary with what is not as usual."""
    for number in range(1, images + 1):
        write_image(root / (folder or part) / f"{number:03}.jpg", value=number, size=size)
    content = {
        "info": {},
        "categories": [{"id": number, "name": name} for number, name in categories],
        "images": [
            {"id": number, "file_name": f"{number:03}.jpg", "width": size[0], "height": size[1]}
            for number in range(1, images + 1)
        ],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 3, "bbox": [1, 2, 5, 4], "area": 20, "iscrowd": 0, **one}
            for number, one in enumerate(objects, 1)
        ],
    }
    write_json(root, part, content)
    return content


def write_json(root, part, content):
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / f"annotations/instances_{part}.json").write_text(json.dumps(content, indent=1))


def tree_of(part):
    """All that a part says of its images, by name."""
    return dict(zip(part.names, part.truths, strict=True))
