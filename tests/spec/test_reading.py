"""YAML files: every mistake is answered with file, line, field, rule and value."""

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fishnet_search.errors import SpecError
from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.loading import load_spec
from fishnet_search.spec.reading import parse_yaml, read_yaml, validated

GOOD = """\
image_size: 32
classes: 10
stem: {kind: one-conv, width: 8}
tail:
  - {depth: 1, width: 16}
bridge: {depth: 1, width: 32}
body:
  - depth: 1
    width: 16
head:
  - {depth: 1}
"""


def spec_from(text):
    return validated(FishSpec, parse_yaml(text, "mine.yaml"))


def test_a_file_gives_the_spec_it_describes(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD)
    spec = load_spec(tmp_path / "mine.yaml")
    assert (spec.tail[0].width, spec.tail[0].downsample, spec.head[0].width) == (16, "max-2x2", "derived")


def test_every_key_and_item_remembers_its_line():
    lines = parse_yaml(GOOD, "mine.yaml").lines
    assert lines[("stem", "kind")] == 3
    assert lines[("tail", 0)] == 5
    assert lines[("body", 0, "width")] == 9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("    width: 16", "    width: 500"), "mine.yaml:9: body[0].width: 500 does not divide the 32 channels"),
        (("    width: 16", "    widht: 16"), "mine.yaml:9: body[0].widht: unknown field; did you mean 'width'?"),
        (("    width: 16\n", ""), "mine.yaml:8: body[0].width: is missing; add it"),
        (("bridge: {depth: 1, width: 32}\n", ""), "mine.yaml:1: bridge: is missing; add it"),
        (("classes: 10", "classes: ten"), "mine.yaml:2: classes: should be a whole number, but is"),
        (("classes: 10", "classes: 10\nclasses: 11"), "mine.yaml:3: classes is written twice; keep one"),
        (("tail:\n  - {depth: 1, width: 16}", "tail: []"), "mine.yaml:4: tail: should have at least one item"),
        (("tail:\n  - {depth: 1, width: 16}", "tail: 3"), "mine.yaml:4: tail: should be a list, but is 3"),
        (("classes: 10", "classes: [10"), "mine.yaml:3: is not valid YAML"),
        (("classes: 10", "\tclasses: 10"), "mine.yaml:2: is not valid YAML"),
        (("classes: 10", "on: 10"), "mine.yaml:2: a field's name must be a word, but is True"),
        (("classes: 10", "classes: !!python/object:os.system {}"), "mine.yaml"),
        (("stem: {kind: one-conv, width: 8}", "stem: &a {kind: *a}"), "mine.yaml"),
        (("classes: 10", "classes: &a [*a]"), "mine.yaml:2: an anchor contains itself"),
    ],
)
def test_a_mistake_is_answered_with_its_line(change, sentence):
    with pytest.raises(SpecError) as refusal:
        spec_from(GOOD.replace(*change))
    assert sentence in str(refusal.value)


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(SpecError, match="aliases may not multiply like this"):
        parse_yaml("\n".join(lines), "bomb.yaml")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "no such file; check the path"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_text(""), "is empty; write at least one field"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), r"is not UTF-8 text \(byte 0\); save it as UTF-8"),
        (lambda path: path.write_text("just words"), "should be fields with values, but is 'just words'"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, make, sentence):
    path = tmp_path / "mine.yaml"
    make(path)
    with pytest.raises(SpecError, match=f"{path}(:1)?: .*{sentence}"):
        load_spec(path)


def test_a_misspelt_preset_is_answered_with_the_nearest():
    with pytest.raises(SpecError, match=r"fishnet105: neither a file nor a preset; did you mean 'fishnet150'\?"):
        load_spec("fishnet105")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.text() | plain.map(yaml.safe_dump))
@example("? [a]\n: 1")
@example("? {a: 1}\n: 1")
@example("<<: *x")
@example("&a a: *a")
@example("2026-99-99: 1")
@example("a: 2026-99-99")
@example("[" * 2000)
@example("a: 0x")
@example("a: 1_")
@example("a: !!int x")
@example("%YAML 9")
@example("a: b\n---\nc: d")
@settings(max_examples=400, deadline=None)
def test_no_text_makes_anything_but_a_spec_or_a_spec_error(text):
    try:
        spec_from(text)
    except SpecError as refusal:
        assert str(refusal).startswith("mine.yaml")


def test_reading_leaves_other_errors_to_the_caller(tmp_path):
    class OtherError(SpecError):
        pass

    with pytest.raises(OtherError):
        read_yaml(tmp_path / "none.yaml", OtherError)
