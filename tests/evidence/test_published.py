"""Published figures stand beside a study's own, with all that tells them apart."""

import math

from fishnet_search.evidence.published import PUBLISHED_COLUMNS, published_frame, published_notes
from fishnet_search.study.record import PublishedRecord, StudyRecord
from tests.records import study_of

TOP1 = PublishedRecord(variant="a", metric="top1", value=0.7814, setting="ImageNet", source="A paper")
SAID = PublishedRecord(
    variant="b", metric="statement", value=None, setting="ImageNet", source="A paper", note="b is worse"
)


def test_a_row_a_figure_in_the_order_of_the_space():
    frame = published_frame(study_of(["a", "b"], published=(TOP1, SAID)))
    assert list(frame.columns) == list(PUBLISHED_COLUMNS)
    assert frame["variant"].tolist() == ["a", "b"]
    assert frame["value"].tolist()[0] == 0.7814
    assert math.isnan(frame["value"].tolist()[1])
    assert frame["note"].tolist() == ["", "b is worse"]


def test_most_studies_have_none():
    frame = published_frame(study_of(["a", "b"]))
    assert frame.empty
    assert list(frame.columns) == list(PUBLISHED_COLUMNS)
    assert frame["value"].dtype == "float64"
    assert published_notes(study_of(["a", "b"])) == ()


def test_beside_a_small_study_every_figure_says_that_it_is_of_another_size():
    small = study_of(["a", "b"], published=(TOP1, SAID), small=True)
    notes = published_frame(small)["note"].tolist()
    assert notes[0].startswith("of full-size training, while this study is small")
    assert notes[1].startswith("b is worse; of full-size training")
    assert "cannot be compared in level" in published_notes(small)[-1]
    assert not any("small" in note for note in published_notes(study_of(["a", "b"], published=(TOP1,))))


def test_a_record_of_before_there_were_published_figures_is_read():
    record = study_of(["a", "b"]).model_dump(exclude={"published", "small"}, mode="json")
    read = StudyRecord.model_validate(record)
    assert (read.published, read.small) == ((), False)
