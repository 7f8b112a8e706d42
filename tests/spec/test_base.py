"""A file on top of another one: what it takes over, what it changes, and which line is to blame."""

import pytest

from fishnet_search.errors import SpecError
from fishnet_search.spec.fish import FishSpec
from fishnet_search.spec.loading import MOST_BASES, load_spec, preset_names, spec_of, with_fields
from fishnet_search.spec.reading import parse_yaml


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write files and return the spec of the last one; names in errors are relative."""
    monkeypatch.chdir(tmp_path)

    def load(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        return load_spec(f"{name}.yaml")

    return load


@pytest.fixture
def refused(write):
    """Write files and return what is said of the last one."""

    def said(**files):
        with pytest.raises(SpecError) as refusal:
            write(**files)
        return str(refusal.value)

    return said


NANO = load_spec("fishnet-nano")


def test_a_file_with_a_base_alone_is_the_base(write):
    assert write(mine="base: fishnet-nano") == NANO


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("classes: 3", {"classes": 3}),
        ("stem: {width: 32}", {"stem.width": 32}),
        ("stem.width: 32", {"stem.width": 32}),
        ("tail: {downsample: blur}", {"tail.downsample": "blur"}),
        ("tail.downsample: blur", {"tail.downsample": "blur"}),
        ("tail[1].downsample: blur", {"tail[1].downsample": "blur"}),
        ("bridge: {attention: false}\nbridge.depth: 2", {"bridge.attention": False, "bridge.depth": 2}),
        ("body: {transfer: 2}\nbody[0].dilation: [3]", {"body.transfer": 2, "body[0].dilation": [3]}),
        ("taps: {out: head1}", {"taps.out": "head1"}),
        ("taps.out: head1", {"taps.out": "head1"}),
        ("stem: {}\ntail: {}\ntaps: {}", {}),
    ],
)
def test_mappings_and_paths_change_fields_and_keep_the_rest(write, text, fields):
    assert write(mine=f"base: fishnet-nano\n{text}") == with_fields(NANO, fields)


def test_a_list_takes_the_place_of_a_part(write):
    spec = write(
        first="base: fishnet-nano\ntail.downsample: blur",
        mine="base: first.yaml\ntail:\n- {depth: 1, width: 32}\n- {depth: 2, width: 64}\n",
    )
    assert [(stage.depth, stage.downsample) for stage in spec.tail] == [(1, "max-2x2"), (2, "max-2x2")]


def test_a_path_may_set_what_a_list_leaves_open(write):
    spec = write(mine="base: fishnet-nano\ntail.kernel: 5\ntail:\n- {depth: 1, width: 32}\n- {depth: 2, width: 64}")
    assert [stage.kernel for stage in spec.tail] == [5, 5]


def test_one_list_for_all_stages_is_not_shared_between_them(write):
    spec = write(
        first="base: fishnet-nano\ntail: {depth: 2, dilation: [1, 2]}", mine="base: first.yaml\ntail[0].dilation[1]: 3"
    )
    assert [stage.dilation for stage in spec.tail] == [(1, 3), (1, 2)]


def test_a_document_stays_as_it_is_read():
    document = parse_yaml("tail: [{depth: 1, width: 64}]\nbridge: {depth: 1, width: 64}\ntail.kernel: 5", "mine.yaml")
    assert spec_of(document) == spec_of(document)
    assert document.data["tail"] == [{"depth": 1, "width": 64}]


def test_paths_need_no_base(write):
    text = "tail: [{depth: 1}]\ntail.width: 64\nbridge.depth: 1\nbridge.width: 64\nstem.width: 32\ntaps.out: bridge\n"
    spec = write(mine=text)
    assert (spec.tail[0].width, spec.bridge.width, spec.stem.width, spec.taps) == (64, 64, 32, {"out": "bridge"})


def test_bases_stand_on_bases_and_are_seen_from_their_own_folder(write, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "low.yaml").write_text("base: fishnet-nano\nclasses: 3")
    (tmp_path / "inner" / "middle.yaml").write_text("base: low.yaml\nnorm: group")
    spec = write(mine="base: inner/middle.yaml\nactivation: silu")
    assert spec == with_fields(NANO, {"classes": 3, "norm": "group", "activation": "silu"})


def test_a_base_may_be_any_file_by_its_whole_path(write, tmp_path):
    (tmp_path / "without_ending").write_text("base: fishnet-nano")
    assert write(mine=f"base: {tmp_path / 'without_ending'}") == NANO


def test_a_document_that_is_no_file_has_its_base_seen_from_a_folder(tmp_path):
    (tmp_path / "first.yaml").write_text("base: fishnet-nano\nclasses: 3")
    spec = spec_of(parse_yaml("base: first.yaml", "text"), tmp_path)
    assert isinstance(spec, FishSpec)
    assert spec.classes == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("tail: {depth: 0}", "mine.yaml:2: tail[0].depth: should be greater than or equal to 1, but is 0"),
        ("tail:\n  depth: 1\n  kernel: 4", "mine.yaml:4: tail[0].kernel: must be odd, so that the output keeps"),
        ("\ntail.kernel: 4", "mine.yaml:3: tail[0].kernel: must be odd"),
        ("tail[1].kernel: 4\nclasses: 3", "mine.yaml:2: tail[1].kernel: must be odd"),
        ("tail: {dept: 1}", "mine.yaml:2: tail[0].dept: unknown field; did you mean 'depth'?"),
        ("tail.dept: 1", "mine.yaml:2: tail[0].dept: unknown field; did you mean 'depth'?"),
        ("tial.depth: 1", "mine.yaml:2: tial.depth: unknown field; did you mean 'tail'?"),
        ("tail[2].depth: 1", "mine.yaml:2: tail[2]: there are only 2 stages, counted from 0"),
        ("tail[0].dilation[0]: 1", "mine.yaml:2: tail[0].dilation[0] leads nowhere; write paths like tail.downsample"),
        ("tail[0]: {depth: 1}", "mine.yaml:2: 'tail[0]' does not name a single field; write it like tail.downsample"),
        ("tail..depth: 1", "mine.yaml:2: 'tail..depth' is not a path; write it like tail.downsample or tail[1].down"),
        ("tail[01].depth: 1", "mine.yaml:2: 'tail[01].depth' is not a path"),
        ("'': 1", "mine.yaml:2: '' is not a path"),
        ("classes.depth: 1", "mine.yaml:2: classes.depth leads nowhere"),
        ("taps.a-b: tail0", "mine.yaml:2: taps.a-b: 'a-b' cannot name an output; use letters, digits and underscores"),
        ("taps: {a: tial0}", "mine.yaml:2: taps.a: there is no stage 'tial0'; did you mean 'tail0'?"),
        ("tail: 3", "mine.yaml:2: tail: should be a list, but is 3"),
        ("bridge: [1]", "mine.yaml:2: bridge: should be fields with values, but is [1]"),
        ("body[0].transfer_from: tail1", "mine.yaml:2: body[0].transfer_from: "),
        ("family: resnet", "mine.yaml:2: family: is 'resnet', but the base is of the family 'fish'; remove it"),
        ("family: fis", "mine.yaml:2: family: there is no family 'fis'; did you mean 'fish'?"),
        ("stages: {depth: 1}", "mine.yaml:2: stages: unknown field"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_change_is_answered_with_its_line(refused, text, sentence):
    said = refused(mine=f"base: fishnet-nano\n{text}")
    assert said.startswith(sentence)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "tail: {kernel: 5}\ntail.kernel: 3",
            "mine.yaml:3: tail.kernel: sets what line 2 sets already; keep it in one",
        ),
        ("tail.kernel: 3\ntail: {kernel: 5}", "mine.yaml:2: tail.kernel: sets what line 3 sets already"),
        ("tail.kernel: 3\ntail[1].kernel: 5", "mine.yaml:3: tail[1].kernel: sets what line 2 sets already"),
        ("stem.width: 8\nstem: {width: 8}", "mine.yaml:2: stem.width: sets what line 3 sets already"),
        ("taps: {a: tail0}\ntaps.a: tail0", "mine.yaml:3: taps.a: sets what line 2 sets already"),
        (
            "tail:\n- {depth: 1, width: 32}\n- {depth: 1, width: 64}\ntail.width: 32",
            "mine.yaml:5: tail.width: sets what line 3 sets already",
        ),
    ],
)
def test_a_field_that_is_set_in_two_ways_is_refused_with_both_lines(refused, text, sentence):
    assert refused(mine=f"base: fishnet-nano\n{text}").startswith(sentence)


def test_a_change_that_does_not_fit_the_base_is_answered_with_both_files_and_lines(refused):
    said = refused(
        first="base: fishnet-nano\n\nbody[1].width: 32\n",
        second="base: first.yaml\nclasses: 3",
        mine="# wider\nbase: second.yaml\nbridge.width: 64\nbody[0].width: 16\n",
    )
    assert said.startswith(
        "mine.yaml:2: body[1].width (from first.yaml:3): 32 does not divide the 48 channels that enter"
    )


def test_what_is_wrong_with_the_base_in_a_place_that_the_file_replaced_is_its_own_line(refused):
    said = refused(
        first="base: fishnet-nano\ntaps: {out: head1}", mine="base: first.yaml\nhead: []\ntaps: {more: body1}"
    )
    assert said.startswith("mine.yaml:1: taps.out (from first.yaml:2): there is no stage 'head1'")


def test_what_the_base_wrote_in_a_part_that_the_file_replaced_is_not_to_blame(refused):
    said = refused(
        first="base: fishnet-nano\nhead[0].width: derived", mine="base: first.yaml\nhead:\n- {depth: 1, expansion: 5}\n"
    )
    assert said.startswith("mine.yaml:3: head[0].width: must be a multiple of the expansion 5, but is 48")


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ("3", "should be a preset's name or a file's path, but is 3"),
        ("", "should be a preset's name or a file's path, but is empty"),
        ("''", "should be a preset's name or a file's path, but is ''"),
        ("[fishnet-nano]", "should be a preset's name or a file's path, but is ['fishnet-nano']"),
        ("fishnet-nanu", "fishnet-nanu: neither a file nor a preset; did you mean 'fishnet-nano'?"),
        ("none.yaml", "none.yaml: no such file; check the path"),
        (".", ".: cannot be read: Is a directory"),
        ('"a\\0b.yaml"', r"'a\x00b.yaml': cannot be the name of a file"),
        ("~nobody-has-this-name/a.yaml", "~nobody-has-this-name/a.yaml: no such file; check the path"),
    ],
)
def test_a_base_that_is_none_is_refused(refused, base, sentence):
    assert refused(mine=f"\nbase: {base}").startswith(f"mine.yaml:2: base: {sentence}")


def test_bases_that_go_round_are_refused(refused, tmp_path):
    (tmp_path / "inner").mkdir()
    assert refused(a="base: mine.yaml", mine="\nbase: a.yaml") == (
        "mine.yaml:2: base: a.yaml:1: base: mine.yaml:2: base: leads back to mine.yaml; name another base"
    )
    assert refused(mine="base: inner/../mine.yaml") == (
        "mine.yaml:1: base: inner/../mine.yaml:1: base: leads back to inner/../mine.yaml; name another base"
    )


def test_bases_without_end_are_refused(refused):
    files = {f"b{i}": f"base: b{i + 1}.yaml" for i in range(500)}
    assert f"is the base of more than {MOST_BASES} files in a row; join some" in refused(**files, mine="base: b0.yaml")


def test_every_problem_of_a_broken_base_is_named_with_both_files_and_lines(refused):
    said = refused(
        first="base: fishnet-nano\nclasses: 0\nnorm: on\n", mine="classes: 3\nclasses: 4\nbase: first.yaml\n"
    )
    assert said.splitlines() == [
        "mine.yaml:2: classes: is written in line 1 already; keep one",
        "mine.yaml:3: base: first.yaml:2: classes: should be greater than or equal to 1, but is 0",
        "mine.yaml:3: base: first.yaml:3: norm: should be 'batch' or 'group', but is on, which YAML reads as true; put "
        "it in quotes if the word is meant",
    ]


def test_all_problems_of_a_change_are_named(refused):
    text = "base: fishnet-nano\ntail[9].depth: 3\ntail: {dept: 1}\nclasses: 0\nstem.width: 33\ntial: 3\nhead.depth: 0"
    assert [line.split(": ")[:2] for line in refused(mine=text).splitlines()] == [
        ["mine.yaml:2", "tail[9]"],
        ["mine.yaml:4", "classes"],
        ["mine.yaml:5", "stem.width"],
        ["mine.yaml:3", "tail[0].dept"],
        ["mine.yaml:7", "head[0].depth"],
        ["mine.yaml:6", "tial"],
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("bridge: {depth: 1, width: 64}\ntail: {depth: 1}", "mine.yaml:2: tail: a mapping changes the stages"),
        ("bridge: {depth: 1, width: 64}\ntail.depth: 1", "mine.yaml:2: tail: is missing; write it, or name a `base`"),
        ("family: resnet\nstages: {depth: 1}", "mine.yaml:2: stages: a mapping changes the stages of a base"),
    ],
)  # fmt: skip
def test_changes_without_a_base_are_refused(refused, text, sentence):
    said = refused(mine=text)
    assert said.startswith(sentence)
    assert "\n" not in said


@pytest.mark.parametrize("change", ["body: {depth: 1}", "body.depth: 1"])
def test_changes_to_stages_that_the_base_does_not_have_are_refused(refused, change):
    said = refused(first="base: fishnet-nano\nbody: []\nhead: []", mine=f"base: first.yaml\n{change}")
    assert said.startswith("mine.yaml:2: body")
    assert "no stages" in said


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_a_base(write, name):
    assert write(mine=f"base: {name}\nclasses: 7") == with_fields(load_spec(name), {"classes": 7})
