"""A space and its images made into a study: what is to be trained, on what, how."""

from __future__ import annotations

from fishnet_search.cost.ledger import cost_of
from fishnet_search.data.images import ImageSet
from fishnet_search.data.load import load_images
from fishnet_search.graph.build import build_graph
from fishnet_search.space.space import SpelledSpace, Variant
from fishnet_search.spec.loading import with_fields
from fishnet_search.study.record import StudyRecord, VariantRecord
from fishnet_search.study.trial import data_record


def plan_study(
    spelled: SpelledSpace,
    *,
    name: str,
    command: str,
    data: str | None,
    epochs: int | None,
    seeds: int | None,
    limit: int | None,
) -> tuple[StudyRecord, ImageSet]:
    """Load the images and return the study that a space asks for.

    Args:
        spelled: the space with its variants, the baseline first.
        name: of the study.
        command: that asks for it.
        data: image source in place of the space's.
        epochs: in place of the recipe's.
        seeds: number of seeds in place of the space's.
        limit: most images in each part of the data.

    Raises:
        DataError: the images cannot be had.
        SpecError: a variant cannot be built with the number of classes that the images have.
    """
    space = spelled.space
    images = load_images(
        space.data if data is None else data, image_size=spelled.variants[0].spec.image_size, limit=limit
    )
    recipe = space.recipe if epochs is None else space.recipe.model_copy(update={"epochs": epochs})
    variants = tuple(_variant_record(variant, len(images.classes)) for variant in spelled.variants)
    study = StudyRecord(
        name=name,
        description=space.description,
        command=command,
        base=space.base,
        axes={axis: field.path for axis, field in space.axes.items()},
        baseline=variants[0].name,
        variants=variants,
        seeds=space.seeds if seeds is None else tuple(range(seeds)),
        recipe=recipe,
        data=data_record(images, limit),
    )
    return study, images


def _variant_record(variant: Variant, classes: int) -> VariantRecord:
    spec = with_fields(variant.spec, {"classes": classes}, variant.name)
    cost = cost_of(build_graph(spec))
    return VariantRecord(name=variant.name, levels=dict(variant.levels), spec=spec, params=cost.params, macs=cost.macs)
