"""Tiny ImageNet's layout in small."""

from pictures_on_disk import write_class_folders, write_image

WNIDS = ("n02124075", "n01443537", "n04067472")


def write_tiny(root, *, train=10, val=2):
    """Write the layout with images of 8×8 pixels: in wnids.txt the classes are in no order, as in the original."""
    for name in WNIDS:
        write_class_folders(root / "train" / name, {"images": train})
        (root / "train" / name / f"{name}_boxes.txt").write_text("images_0.JPEG\t0\t0\t7\t7\n")
    lines = []
    for i in range(val * len(WNIDS)):
        write_image(root / f"val/images/val_{i}.JPEG", value=i)
        lines.append(f"val_{i}.JPEG\t{WNIDS[i % len(WNIDS)]}\t0\t0\t7\t7")
    (root / "val/val_annotations.txt").write_text("\n".join(lines) + "\n")
    (root / "wnids.txt").write_text("\n".join(WNIDS))
    (root / "words.txt").write_text("n00001740\tentity\n")
    return root
