"""Published figures beside a study's own: what they are of, and why the two may differ."""

from __future__ import annotations

import pandas as pd

from fishnet_search.study.record import StudyRecord

SMALL = "of full-size training, while this study is small: not comparable in level"
"""What is noted at every published figure of a small study."""


def published_frame(study: StudyRecord) -> pd.DataFrame:
    """Return one row a published figure, variant by variant as the space names them; none for most studies.

    Args:
        study: What was planned.

    Returns:
        The columns that `PUBLISHED_COLUMNS` explains.
    """
    rows = [record.model_dump(include=set(PUBLISHED_COLUMNS)) for record in study.published]
    frame: pd.DataFrame = pd.DataFrame(rows, columns=list(PUBLISHED_COLUMNS)).astype({"value": "float64"})
    if study.small:
        frame["note"] = [f"{note}; {SMALL}" if note else SMALL for note in frame["note"]]
    return frame


def published_notes(study: StudyRecord) -> tuple[str, ...]:
    """Return what a reader should know who compares published figures with the study's own."""
    if not study.published:
        return ()
    figures = "Published figures are others' measurements, with their settings and sources; none has an interval."
    if not study.small:
        return (figures,)
    return (
        figures,
        "This is the small version of the study: small networks, small images, few epochs. The published figures are "
        "of full-size training, so the two cannot be compared in level, and an effect that shows in one need "
        "not show in the other.",
    )


PUBLISHED_COLUMNS = {  # for `explained`
    "variant": "name of the study's variant that the figure belongs to",
    "metric": "{figures}, map (mean average precision), ap_gain (average precision less that of another network, "
    "which the setting names), params, macs, or statement, which is said in the note and has no value",
    "value": "fraction from 0 to 1 for accuracies and precisions, a count for params and macs, NaN for a statement",
    "setting": "of which images, and how the network was trained, in words",
    "source": "where it is published",
    "note": "what a reader should know, such as that an error was published; else empty",
}
