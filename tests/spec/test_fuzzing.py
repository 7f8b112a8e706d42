"""No input makes anything but a spec or a SpecError; a spec that comes out can be built and written down.

`FUZZ_EXAMPLES=20000 pytest tests/spec/test_fuzzing.py` looks for longer.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import get_args

import yaml
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fishnet_search.errors import SpecError
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph
from fishnet_search.spec.architecture import Stem
from fishnet_search.spec.densenet import DenseStage
from fishnet_search.spec.families import FAMILIES
from fishnet_search.spec.fish import BodyStage, Bridge, HeadStage, TailStage, TransferStage
from fishnet_search.spec.loading import load_spec, preset_names, spec_of
from fishnet_search.spec.reading import parse_yaml
from fishnet_search.spec.resnet import ResNetStage
from fishnet_search.spec.resolving import as_yaml, resolved
from fishnet_search.spec.schema import spec_schema
from tests.fishes import MINNOW

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "120"))
MOST_BLOCKS = 60
SCHEMA = Draft202012Validator(spec_schema())

many = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FILES = [
    MINNOW,
    """\
family: resnet
image_size: 64
stem: {kind: residual, width: 16}
stages:
  - {depth: 2, width: 32, block: basic, downsample: none}
  - {depth: 2, width: 64, block: detnet-b, shortcut: projection, groups: 4, group_width: 2}
  - depth: 1
    width: 64
    dilation: [2]
    downsample: max-3x3
taps: {c2: stage0, c3: stage2}
""",
    """\
family: densenet
norm: group
stages:
  - {depth: 2, growth: 8}
  - {depth: 1, growth: 12, expansion: 2, downsample: blur}
stem.width: 16
""",
    """\
base: fishnet-nano
activation: silu
tail: {downsample: avg-2x2, squeeze_excitation: true}
body[1].dilation: 3
head.shortcut: projection
head:
  - {depth: 1, width: 32, transfer: 2}
  - {depth: 2, width: derived, transfer_from: none}
taps.out: head1
""",
]

MODELS = (*FAMILIES.values(), Stem, TailStage, Bridge, TransferStage, BodyStage, HeadStage, ResNetStage, DenseStage)
FIELDS = sorted({"base", "projection", *(field for model in MODELS for field in model.model_fields)})


def choices_in(kind):
    """Return the words among what a field may be."""
    members = get_args(kind)
    return [each for each in members if isinstance(each, str)] + [word for each in members for word in choices_in(each)]


CHOICES = sorted(
    {word for model in MODELS for info in model.model_fields.values() for word in choices_in(info.annotation)}
)
FISH_PARTS = [("stem", Stem), ("tail", TailStage), ("bridge", Bridge), ("body", BodyStage), ("head", HeadStage)]
BASES = [
    ("fishnet-nano", FISH_PARTS),
    ("fishnet-cifar", FISH_PARTS),
    ("resnet50", [("stem", Stem), ("stages", ResNetStage)]),
    ("densenet121", [("stem", Stem), ("stages", DenseStage)]),
]
STAGES = ["stem", "tail0", "bridge", "body0", "body1", "head0", "stage0", "stage1"]
ODD = re.findall(
    r"\S+",
    """
~ '' "" yes no on off true null 0 -1 1.5 3.0 .inf -.inf .nan 1e3 1e-4 1.0e+400 0x10 0x_ 010 0o17 0b11 1_000 1:30 08
2026-01-01 2026-99-99 "3" 'tail0' 99999999999999999999 *a &a <<  = ! !foo !!int !!binary !!python/name:os.system !!set
[] {} [1] [1,2] [1,x] {a:b} - : ? | > # --- ... %YAML @ ` , [ ] { } é 😀 "\\ud800" "\\UFFFFFFFF" "\\0" [[[[
""",
)

whole = st.integers(1, 8).map(lambda n: 4 * n) | st.integers(-1, 9)
words = st.sampled_from(FIELDS) | st.sampled_from(CHOICES) | st.sampled_from(STAGES) | st.sampled_from(preset_names())
scalars = whole.map(str) | words | st.sampled_from(ODD)
parts = st.sampled_from(["stem", "tail", "bridge", "body", "head", "stages", "taps"])
indexes = st.sampled_from(["", "", "[0]", "[1]", "[9]", "[01]", "[-1]", "[]"])
paths = st.tuples(parts, indexes, st.sampled_from([".", ".", "..", ""]), st.sampled_from(FIELDS) | words, indexes)
keys = st.sampled_from(FIELDS) | paths.map("".join) | st.sampled_from(ODD)


def flow(inner):
    pairs = st.lists(st.tuples(keys, inner).map(": ".join), max_size=3).map(", ".join)
    return st.lists(inner, max_size=3).map(", ".join).map("[{}]".format) | pairs.map("{{{}}}".format)


def fitting(kind):
    """Draw values that a field may have, or that are just beyond."""
    drawn = st.sampled_from([*STAGES, "derived", "none"])
    match kind:
        case {"anyOf": members}:
            drawn = st.one_of(map(fitting, members))
        case {"enum": choices}:
            drawn = st.sampled_from(choices)
        case {"const": word}:
            drawn = st.just(word)
        case {"type": "boolean"}:
            drawn = st.sampled_from(["true", "false"])
        case {"type": "integer"}:
            drawn = whole.map(str)
        case {"type": "array", "items": inner}:
            drawn = st.lists(fitting(inner), max_size=3).map(lambda items: f"[{', '.join(items)}]")
    return drawn


FITTING = {
    model: st.one_of(
        st.tuples(st.just(name), fitting(kind)) for name, kind in model.model_json_schema()["properties"].items()
    )
    for model in (Stem, TailStage, Bridge, BodyStage, HeadStage, ResNetStage, DenseStage)
}


@st.composite
def extensions(draw):
    """Files on a base, most of which fit."""
    base, parts_of_base = draw(st.sampled_from(BASES))
    lines = {}
    for _ in range(draw(st.integers(1, 4))):
        part, model = draw(st.sampled_from(parts_of_base))
        name, value = draw(FITTING[model])
        index = "" if part in {"stem", "bridge"} else draw(st.sampled_from(["", "[0]", "[1]"]))
        if index or draw(st.booleans()):
            lines[f"{part}{index}.{name}"] = value
        else:
            lines[part] = f"{{{name}: {value}}}"
    return "\n".join([f"base: {base}", *(f"{key}: {value}" for key, value in lines.items())])


values = st.recursive(scalars, flow, max_leaves=4)
line = st.tuples(st.sampled_from(["", "", "", "  ", "    ", "\t", "- ", "  - "]), keys, st.just(": "), values)
texts = st.lists(line.map("".join), max_size=8).map("\n".join)


@st.composite
def changed_files(draw):
    """Files that were right before someone edited them."""
    lines = draw(st.sampled_from(FILES)).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        i = draw(st.integers(0, len(lines) - 1))
        j = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["delete", "duplicate", "swap", "indent", "insert", "scalar", "scalar", "scalar"])):
            case "delete" if len(lines) > 1:
                del lines[i]
            case "duplicate":
                lines.insert(j, lines[i])
            case "swap":
                lines[i], lines[j] = lines[j], lines[i]
            case "indent":
                lines[i] = draw(st.sampled_from([" ", "  ", "\t", "- "])) + lines[i]
            case "insert":
                lines.insert(i, f"{draw(keys)}: {draw(values)}")
            case _:
                if tokens := list(re.finditer(r"[\w.-]+", lines[i])):
                    token = draw(st.sampled_from(tokens))
                    lines[i] = lines[i][: token.start()] + draw(values) + lines[i][token.end() :]
    return "\n".join(lines)


plain = st.recursive(
    st.none() | st.booleans() | whole | st.floats() | words | st.text(max_size=5) | st.dates() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)


def least_channels(node):
    """Return the fewest channels of a node and of all inside it."""
    inside = node.op.nodes if isinstance(node.op, Graph) else ()
    return min([node.shape.channels, *map(least_channels, inside)])


def judge(make):
    """Make a spec, or take the refusal; hold either to what is promised."""
    try:
        spec = make()
    except SpecError as refusal:
        for sentence in str(refusal).split("\n"):
            assert sentence.startswith(("mine.yaml:", "/")), sentence
            assert sentence.isprintable(), sentence
        event("refused")
        return None
    event("a spec")
    stages = [stage for part in spec.model_dump().values() if isinstance(part, tuple | list) for stage in part]
    if sum(stage["depth"] + stage.get("transfer", 0) for stage in stages) <= MOST_BLOCKS:
        assert all(least_channels(node) for node in build_graph(spec).nodes)
        full = resolved(spec)
        again = spec_of(parse_yaml(as_yaml(full), "again.yaml"))
        assert again == full
        assert again.identity() == spec.identity()
        assert again.stage_outputs == spec.stage_outputs
    return spec


def judge_text(text):
    if judge(lambda: spec_of(parse_yaml(text, "mine.yaml"))):  # what loads is valid by the schema
        assert not list(SCHEMA.iter_errors(parse_yaml(text, "mine.yaml").data))


@given(st.text() | texts)
@example("? [a]\n: 1")
@example("? {a: 1}\n: 1")
@example("a: &a 1\n<<: *a")
@example("&a a: *a")
@example("a: !!bool x")
@example("a: !!timestamp x")
@example("a: !!int ''")
@example('a: "\\UFFFFFFFF"')
@example(f"%YAML {'9' * 5000}.1\n---\na: 1")
@example(f"classes: {'9' * 5000}")
@example(f"classes: 0x{'f' * 5000}")
@example(f"base: {'x' * 5000}")
@example("base: ~nobody-has-this-name/x.yaml")
@example('base: "a\\0b.yaml"')
@example('base: "\\ud800.yaml"')
@example('"\\ud800": 1\n"a\\nb": 1\n"a.\\n": 1')
@example("[" * 2000)
@example("a: " + "{b: " * 100 + "1" + "}" * 100)
@example("\n".join(["a0: &a0 [1, 1]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 101)]))
@example("\n".join(["a0: &a0 [1]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 101)]))
@many
def test_text_gives_a_spec_or_a_spec_error(text):
    judge_text(text)


@given(changed_files())
@many
def test_a_changed_file_gives_a_spec_or_a_spec_error(text):
    judge_text(text)


@given(plain)
@many
def test_plain_data_gives_a_spec_or_a_spec_error(data):
    judge_text(yaml.safe_dump(data))


@given(
    st.sampled_from(["fishnet-nano", "fishnet-cifar", "resnet50", "densenet121"]),
    st.lists(st.tuples(paths.map("".join), scalars), max_size=3),
)
@many
def test_paths_on_a_base_give_a_spec_or_a_spec_error(base, fields):
    judge_text("\n".join([f"base: {base}", *(f"{path}: {value}" for path, value in fields)]))


@given(extensions())
@many
def test_fields_that_fit_one_by_one_give_a_spec_or_a_spec_error(text):
    judge_text(text)


@given(
    st.binary() | st.tuples(changed_files(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]))
)
@many
def test_bytes_in_a_file_give_a_spec_or_a_spec_error(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content[0].encode(content[1], "replace"))
        judge(lambda: load_spec(path))
