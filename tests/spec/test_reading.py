"""YAML files: every mistake is answered with file, line, field, rule and value."""

import re
from pathlib import Path

import pytest

from fishnet_search.errors import SpecError
from fishnet_search.spec.families import FAMILIES
from fishnet_search.spec.loading import load_spec, spec_of, with_fields
from fishnet_search.spec.reading import MOST_PROBLEMS, parse_yaml, read_yaml, validated
from fishnet_search.spec.value import Value

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
    return spec_of(parse_yaml(text, "mine.yaml"))


def refusal_of(text):
    with pytest.raises(SpecError) as refusal:
        spec_from(text)
    return str(refusal.value)


def changed(old, new):
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_a_file_gives_the_spec_it_describes(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD)
    spec = load_spec(tmp_path / "mine.yaml")
    assert (spec.tail[0].width, spec.tail[0].downsample, spec.head[0].width) == (16, "max-2x2", "derived")


def test_every_key_and_item_remembers_its_line():
    origins = parse_yaml(GOOD, "mine.yaml").origins
    lines = {at: origin.line for at, origin in origins.items()}
    assert (lines["stem", "kind"], lines["tail", 0], lines["body", 0, "width"]) == (3, 5, 9)
    assert {origin.source for origin in origins.values()} == {"mine.yaml"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("    width: 16", "    width: 500"),
            "mine.yaml:9: body[0].width: 500 does not divide the 32 channels that enter it; use 32",
        ),
        (("    width: 16", "    widht: 16"), "mine.yaml:9: body[0].widht: unknown field; did you mean 'width'? one of"),
        (("    width: 16\n", ""), "mine.yaml:8: body[0].width: is missing; add it"),
        (("bridge: {depth: 1, width: 32}\n", ""), "mine.yaml:1: bridge: is missing; add it"),
        (("classes: 10", "classes: ten"), "mine.yaml:2: classes: should be a whole number, but is 'ten'"),
        (("classes: 10", "classes: 10\nclasses: 11"), "mine.yaml:3: classes: is written in line 2 already; keep one"),
        (("depth: 1, width: 32", "depth: 1, width: 32, depth: 2"), "mine.yaml:6: bridge.depth: is written in line 6"),
        (("tail:\n  - {depth: 1, width: 16}", "tail: []"), "mine.yaml:4: tail: should have at least one item, but"),
        (("tail:\n  - {depth: 1, width: 16}", "tail: 3"), "mine.yaml:4: tail: should be a list, but is 3"),
        (
            ("  - {depth: 1, width: 16}\n", "  - {depth: 1, width: 16}\n" * 13),
            "mine.yaml:4: tail: should have fewer items, but has 13; the most is 12",
        ),
        (("classes: 10", "family: fsh"), "mine.yaml:2: family: there is no family 'fsh'; did you mean 'fish'?"),
        (("classes: 10", "family: [fish]"), "mine.yaml:2: family: there is no family ['fish']"),
        (("width: 8}", "width: 9}"), "mine.yaml:3: stem.width: should be a multiple of 2, but is 9; use 8 or 10"),
        (("- {depth: 1}", "- {depth: 1, downsample: conv3x3}"), "but is 'conv3x3'; did you mean 'conv-3x3'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_with_its_line(change, sentence):
    assert sentence in refusal_of(changed(*change))


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("1e3", "should be a whole number, but is '1e3', which YAML reads as text; write 1000"),
        ("1e-4", "should be a whole number, but is '1e-4', which YAML reads as text"),
        ("'10'", "should be a whole number, but is '10', which YAML reads as text; write 10"),
        ("0o17", "should be a whole number, but is '0o17', which YAML reads as text; write 15"),
        ("08", "should be a whole number, but is '08', which YAML reads as text; write 8"),
        ("0x_", "should be a whole number, but is '0x_'"),
        ("10.0", "should be a whole number, but is 10.0; write 10"),
        ("1.5", "should be a whole number, but is 1.5"),
        (".inf", "should be a whole number, but is .inf, which YAML reads as inf"),
        (".NaN", "should be a whole number, but is .NaN, which YAML reads as nan"),
        ("1.0e+400", "should be a whole number, but is 1.0e+400, which YAML reads as inf"),
        ("yes", "should be a whole number, but is yes, which YAML reads as true"),
        ("true", "should be a whole number, but is true"),
        ("", "should be a whole number, but is empty"),
        ("~", "should be a whole number, but is empty"),
        ("2026-01-31", "should be a whole number, but is '2026-01-31'"),
        ("2026-99-99", "should be a whole number, but is '2026-99-99'"),
        ("=", "should be a whole number, but is '='"),
        ("<<", "should be a whole number, but is '<<'"),
        ("-5", "should be greater than or equal to 1, but is -5"),
        ("0x989681", "should be less than or equal to 10000000, but is 0x989681, which YAML reads as 10000001"),
        ("010", "is 010, which YAML reads as 8; write 8, or 10 if that is meant"),
        ("-0_10", "is -0_10, which YAML reads as -8; write -8, or -10 if that is meant"),
        ("1:30", "is 1:30, which YAML reads as 90; write 90, or '1:30' in quotes"),
        ("1:30.5", "is 1:30.5, which YAML reads as 90.5; write 90.5, or '1:30.5' in quotes"),
        ("9" * 5000, "is a number of 5000 digits; write a smaller one"),
        ("0x" + "f" * 5000, "is a number of 5002 digits; write a smaller one"),
        ("!!binary aGk=", "the tag !!binary means nothing here; remove it"),
        ("!!int '3'", "the tag !!int means nothing here; remove it"),
        ("!!int ''", "the tag !!int means nothing here; remove it"),
        ("!!bool x", "the tag !!bool means nothing here; remove it"),
        ("!!timestamp x", "the tag !!timestamp means nothing here; remove it"),
        ("!!python/object:os.system {}", "the tag !!python/object:os.system means nothing here; remove it"),
        ("!mine 3", "the tag !mine means nothing here; remove it"),
        ("!!set {3}", "the tag !!set means nothing here; remove it"),
        ("&a [*a]", "should be a whole number, but is [None]"),
        ("[1, 2]", "should be a whole number, but is [1, 2]"),
        ('"\\ud800"', r"should be a whole number, but is '\ud800'"),
    ],
)
def test_a_value_that_yaml_reads_otherwise_is_shown_as_it_is_written(written, sentence):
    refusal = refusal_of(changed("classes: 10", f"classes: {written}"))
    assert f"mine.yaml:2: classes: {sentence}" in refusal.splitlines()


@pytest.mark.parametrize("written", ["0x10", "1_6", "0b10000", "+16"])
def test_numbers_that_yaml_and_people_read_alike_are_taken(written):
    assert spec_from(changed("classes: 10", f"classes: {written}")).classes == 16


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            "downsample: off",
            "head[0].downsample: should be 'max-2x2', 'max-3x3', 'avg-2x2', 'conv-3x3', 'conv-1x1' or ",
        ),
        ("downsample: off", "'blur', but is off, which YAML reads as false; put it in quotes if the word is meant"),
        (
            "transfer_from: no",
            "head[0].transfer_from: should be text, but is no, which YAML reads as false; put it in q",
        ),
        (
            "norm: on",
            "or should be 'derived', but is on, which YAML reads as true; put it in quotes if the word is meant",
        ),
        ("squeeze_excitation: 1", "head[0].squeeze_excitation: should be true or false, but is 1"),
        ("dilation: [1, two]", "head[0].dilation[1]: should be a whole number, but is 'two'"),
        (
            "dilation: {int: 2}",
            "should be a whole number or should be a list or should be 'derived', but is {'int': 2}",
        ),
        (
            "no: 3",
            "head[0]: a field's name must be a word, but is no, which YAML reads as true or false; put it in quo",
        ),
        (
            "3: no",
            "head[0]: a field's name must be a word, but is 3, which YAML reads as a number; put it in quotes if",
        ),
        ("~: no", "head[0]: a field's name must be a word, but is empty; put it in quotes if it is meant"),
        ("? [a] : no", "head[0]: a field's name must be a word, but is a list or a mapping"),
        ("!!binary a: no", "head[0]: the tag !!binary means nothing here; remove it"),
        ("<<: {width: 8}", "head[0]: merge keys (<<) are not read; write the fields out, or name a `base`"),
        ('"a\\nb": 3', r"'head[0].a\nb': unknown field; one of depth"),
        ("projection: true", "head[0].projection: unknown field; it is written `shortcut: projection` now"),
        ("upsample: nearest", "head[0].upsample: unknown field; did you mean 'downsample'? one of depth, width"),
        ("upsample: nearest", "; 'upsample' is a field of body"),
        ("classes: 3", "; 'classes' is a field of the top level"),
    ],
)
def test_words_that_yaml_reads_otherwise_and_misplaced_fields_are_answered(fields, sentence):
    refusal = refusal_of(changed("{depth: 1}", f"{{depth: 1, {fields}}}"))
    assert re.search(f"^mine.yaml:11: .*?{re.escape(sentence)}", refusal, re.MULTILINE), refusal


def test_a_word_that_yaml_reads_as_false_is_told_the_choice_it_is_like():
    refusal = refusal_of("base: resnet50\nstages: {downsample: no}")
    assert refusal.endswith("but is no, which YAML reads as false; did you mean 'none'?")


def test_a_stage_field_at_the_wrong_level_is_sent_to_where_it_belongs():
    refusal = refusal_of(changed("width: 8}", "width: 8, dilation: 2}") + "upsample: nearest\n")
    assert "mine.yaml:3: stem.dilation: unknown field; one of kind, width; 'dilation' is a field of tail, br" in refusal
    assert "mine.yaml:12: upsample: unknown field; one of family" in refusal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (changed("classes: 10", "\tclasses: 10"), "mine.yaml:2: has a tab in front; indent with spaces"),
        (changed("    width: 16", "\twidth: 16"), "mine.yaml:9: has a tab in front; indent with spaces"),
        (changed("classes: 10", "classes: [10"), "mine.yaml:3: is not valid YAML: expected ',' or ']', but got ':'"),
        (changed("classes: 10", "classes: 1: 0"), "mine.yaml:2: is not valid YAML: mapping values are not allowed"),
        (changed("classes: 10", "classes: *ten"), "mine.yaml:2: is not valid YAML: found undefined alias 'ten'"),
        (GOOD + "---\n" + GOOD, "mine.yaml:12: holds more than one document; keep one, without the line ---"),
        (changed("classes: 10", "classes: \x0010"), r"mine.yaml:2: has the character '\x00', which YAML does not"),
        (changed("classes: 10", 'classes: "\\UFFFFFFFF"'), "mine.yaml:2: is not valid YAML: an escape stands for no"),
        (f"%YAML {'9' * 5000}.1\n---\n{GOOD}", "mine.yaml:1: is not valid YAML: an escape stands for no character, or"),
        ("[" * 2000, "mine.yaml: is not valid YAML: lists and mappings are nested too deep"),
        ("\nstem: " + "{a: " * 30 + "1" + "}" * 30, "mine.yaml:2: is nested deeper than 20 levels; no field is"),
        ("- 1", "mine.yaml:1: should be fields with values, but is [1]"),
        ("\njust words", "mine.yaml:2: should be fields with values, but is 'just words'"),
        ("---\n", "mine.yaml:2: should be fields with values, but is empty"),
        ("# a comment\n", "mine.yaml: is empty; write at least one field"),
        ("", "mine.yaml: is empty; write at least one field"),
    ],
)  # fmt: skip
def test_what_is_no_document_of_fields_is_refused(text, sentence):
    refusal = refusal_of(text)
    assert refusal.startswith(sentence)
    assert "\n" not in refusal


@pytest.mark.parametrize("value", ["stem: &a {kind: *a}", "stem: {width: &a [*a]}", "taps: &a {x: {y: *a}}"])
def test_an_anchor_that_contains_itself_is_refused(value):
    refusal = refusal_of(f"base: fishnet-nano\n{value}")
    assert re.match(r"mine.yaml:2: [\w.\[\]]+: an anchor contains itself; write the value out", refusal)


@pytest.mark.parametrize("times", [2, 10])
def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(times):
    lines = [f"a0: &a0 [{', '.join('1' * times)}]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * times)}]" for i in range(1, 100)]
    with pytest.raises(
        SpecError, match=r"bomb.yaml:\d+: (more than 100000 values; aliases may|is nested deeper than 20)"
    ):
        parse_yaml("\n".join(lines), "bomb.yaml")


def test_anchors_and_aliases_that_do_no_harm_are_read():
    spec = spec_from(
        changed("{depth: 1, width: 16}", "{depth: &deep 2, width: 16}").replace("depth: 1", "depth: *deep")
    )
    assert [spec.tail[0].depth, spec.bridge.depth, spec.body[0].depth, spec.head[0].depth] == [2, 2, 2, 2]


def test_all_problems_of_a_file_are_named():
    text = changed("classes: 10", "classes: 0\nclasses: 1\nno: 1\nstem.with: 3").replace("depth: 1\n", "depth: 010\n")
    lines = refusal_of(text.replace("{depth: 1}", "{depth: 0, width: x}")).splitlines()
    assert [" ".join(line.split(": ")[:2])[10:45] for line in lines] == [
        "3 classes",
        "4 a field's name must be a word, bu",
        "11 body[0].depth",
        "2 classes",
        "5 stem.with",
        "14 head[0].depth",
        "14 head[0].width",
    ]


def test_the_same_mistake_in_two_stages_is_named_twice():
    text = changed("  - {depth: 1, width: 16}", "  - {depth: 0, width: 16}\n  - {depth: 0, width: 16}")
    assert [line[:25] for line in refusal_of(text).splitlines()] == [
        "mine.yaml:5: tail[0].dept",
        "mine.yaml:6: tail[1].dept",
    ]


def test_problems_without_end_are_cut_short():
    lines = refusal_of("\n".join(f"field{i}: 1" for i in range(2_000))).splitlines()
    assert len(lines) == MOST_PROBLEMS + 1
    assert lines[-1] == "mine.yaml: and more; mend these first"


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / "mine.yaml").write_text(GOOD, encoding="utf-8-sig")
    assert load_spec(tmp_path / "mine.yaml") == spec_from(GOOD)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "no such file; check the path"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.write_text(""), "is empty; write at least one field"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "is not UTF-8 text (byte 0); save it as UTF-8"),
        (lambda path: path.write_text(GOOD, encoding="utf-16"), "is not UTF-8 text (byte 0); save it as UTF-8"),
        (lambda path: path.write_text(GOOD, encoding="utf-16-le"), "has the character '\\x00', which YAML does"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_by_name(tmp_path, make, sentence):
    path = tmp_path / "mine.yaml"
    make(path)
    with pytest.raises(SpecError, match=rf"^{re.escape(str(path))}(:1)?: {re.escape(sentence)}"):
        load_spec(path)


def test_a_file_that_may_not_be_read_is_refused_by_name(tmp_path, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "mine.yaml").write_text(GOOD)
    monkeypatch.setattr(Path, "read_text", refuse)  # the tests may run as someone who can read any file
    with pytest.raises(SpecError, match=r"mine.yaml: cannot be read: Permission denied"):
        load_spec(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fishnet105", "fishnet105: neither a file nor a preset; did you mean 'fishnet150'?"),
        ("x" * 5000, "'xxx"),
        ("x" * 5000 + ".yaml", "cannot be read: File name too long"),
        ("~nobody-has-this-name/mine.yaml", "~nobody-has-this-name/mine.yaml: no such file; check the path"),
        ("a\0b", r"'a\x00b': neither a file nor a preset"),
        ("a\0b.yaml", r"'a\x00b.yaml': cannot be the name of a file; check the path"),
        ("\ud800.yaml", r"'\ud800.yaml': cannot be the name of a file; check the path"),
    ],
)
def test_a_name_that_is_neither_preset_nor_file_is_refused(name, sentence):
    with pytest.raises(SpecError) as refusal:
        load_spec(name)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("tail", "bridge", "sentence"),
    [(1, 8, "mine.yaml:1: tail[0].width: is 1, but the score layers"), (8, 1, "mine.yaml:2: bridge.width: is 1, but")],
)
def test_a_fish_whose_score_layers_would_have_no_channels_is_refused(tail, bridge, sentence):
    text = f"tail: [{{depth: 1, width: {tail}, block: basic}}]\nbridge: {{depth: 1, width: {bridge}, block: basic}}"
    assert refusal_of(text).startswith(sentence)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_without_stages_is_told_what_is_missing(family):
    part = "tail" if family == "fish" else "stages"
    assert f"mine.yaml:1: {part}: is missing; add it" in refusal_of(f"family: {family}")


@pytest.mark.parametrize("field", ["stages: [{depth: 1}]", "stages.depth: 1"])
def test_stages_without_a_family_are_asked_for_it(field):
    assert refusal_of(field) == "mine.yaml:1: family: is missing; add `family: resnet` or `family: densenet`"


def test_values_from_python_that_cannot_be_written_are_refused_all_the_same():
    for value in (10**5000, 10**5000 + 1, float("nan"), object(), [[]], {"a": b"b"}, lambda: None):
        with pytest.raises(SpecError, match=r"^fields: classes: should be (a whole number|less than or equal)"):
            with_fields(spec_from(GOOD), {"classes": value})
        with pytest.raises(SpecError, match=r"^fields: stem.width: should be (a whole number|a multiple|less than or)"):
            with_fields(spec_from(GOOD), {"stem.width": value})


def test_a_field_of_numbers_takes_the_notation_that_yaml_takes_for_text():
    class Rate(Value):
        rate: float

    assert validated(Rate, parse_yaml("rate: 1e-4", "rate.yaml")).rate == 1e-4


def test_a_strict_field_of_numbers_is_told_how_to_write_them():
    class Rate(Value, strict=True):
        rate: float

    with pytest.raises(
        SpecError, match=r"rate: should be a number, but is '1e-5', which YAML reads as text; write 1.0e-05"
    ):
        validated(Rate, parse_yaml("rate: 1e-5", "rate.yaml"))


def test_reading_leaves_other_errors_to_the_caller(tmp_path):
    class OtherError(SpecError):
        pass

    with pytest.raises(OtherError):
        read_yaml(tmp_path / "none.yaml", OtherError)
