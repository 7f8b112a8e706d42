"""The JSON Schema and the reference say of the language what the models say."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from fishnet_search import cli
from fishnet_search.graph.build import build_graph
from fishnet_search.spec.architecture import Architecture, Stem
from fishnet_search.spec.densenet import DenseNetSpec, DenseStage
from fishnet_search.spec.families import FAMILIES
from fishnet_search.spec.fish import BodyStage, Bridge, FishSpec, HeadStage, TailStage, TransferStage
from fishnet_search.spec.loading import load_spec, preset_names
from fishnet_search.spec.resnet import ResNetSpec, ResNetStage
from fishnet_search.spec.schema import spec_schema
from fishnet_search.spec.stage import Stage

ROOT = Path(__file__).parents[2]
LANGUAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
PRESETS = ROOT / "fishnet_search" / "spec" / "presets"

RESNET = "family: resnet\nstages:\n  - {depth: 1, width: 64}\n"
FISH = "tail: [{depth: 1, width: 64}]\nbridge: {depth: 1, width: 64}\n"


def yaml_blocks(page):
    return re.findall(r"^```yaml\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def schema():
    return Draft202012Validator(spec_schema())


def errors(schema, text):
    return [error.message for error in schema.iter_errors(yaml.safe_load(text))]


def test_the_schema_is_one_of_the_dialect_it_names(schema):
    Draft202012Validator.check_schema(schema.schema)
    assert schema.schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_every_reference_in_the_schema_leads_somewhere(schema):
    for reference in set(re.findall(r'"\$ref": "(.*?)"', json.dumps(schema.schema))):
        place = schema.schema
        for step in reference.removeprefix("#/").split("/"):
            place = place[int(step) if isinstance(place, list) else step]
        assert place


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid(schema, name):
    assert errors(schema, (PRESETS / f"{name}.yaml").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", ["README.md", "docs/language.md"])
def test_every_example_is_valid_and_loads(schema, page, tmp_path):
    blocks = yaml_blocks(page)
    names = [re.match(r"# ([\w-]+\.yaml)\n", block) for block in blocks]
    paths = [tmp_path / (name[1] if name else f"block{i}.yaml") for i, name in enumerate(names)]
    for path, block in zip(paths, blocks, strict=True):
        path.write_text(block, encoding="utf-8")
    for path, block in zip(paths, blocks, strict=True):
        assert errors(schema, block) == []
        assert build_graph(load_spec(path)).nodes
    assert blocks


@pytest.mark.parametrize(
    "text",
    [
        "base: fishnet150\nstem.width: 32\ntail: {downsample: avg-2x2}\nbody[1].dilation: 1\ntaps.c2: tail0",
        "base: mine.yaml\nstages: {groups: 32}",
        "base: mine.yaml\nhead: [{depth: 1}]",
        "base: mine.yaml\nfamily: densenet\nstages.growth: 48",
        "base: resnet50\nstages: {dilation: [1, 2, 4]}",
        "base: resnet50\nstages[0].dilation[2]: 3",
        RESNET.replace("depth: 1", "depth: 1, dilation: derived"),
        RESNET.replace(", width: 64", "") + "stages.width: 64",
        FISH,
        FISH.replace("bridge: {depth: 1, width: 64}", "bridge.depth: 1\nbridge.width: 64"),
        FISH + "family: fish\nbody: []\nhead: []\ntaps: {out: bridge}",
    ],
)
def test_what_may_be_written_is_valid(schema, text):
    assert errors(schema, text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- fish", "is not of type 'object'"),
        ("{}", "'tail' is a required property"),
        ("family: fsh", "'fsh' is not one of ['fish', 'resnet', 'densenet']"),
        ("family: resnet", "'stages' is a required property"),
        (RESNET.replace("family: resnet\n", ""), "'stages' does not match any of the regexes"),
        (RESNET + "clases: 3", "'clases' does not match any of the regexes"),
        (RESNET.replace("depth: 1", "depth: 0"), "0 is less than the minimum of 1"),
        (RESNET.replace("depth: 1", "depth: true"), "True is not of type 'integer'"),
        (RESNET.replace("depth: 1", "depth: '1'"), "'1' is not of type 'integer'"),
        (RESNET.replace("width: 64", "width: wide"), "'wide' is not valid under any of the given schemas"),
        (RESNET.replace("width: 64", "width: true"), "True is not valid under any of the given schemas"),
        (RESNET.replace("width: 64", "width: 0"), "0 is not valid under any of the given schemas"),
        (RESNET.replace("depth: 1", "depth: 1, dilation: [1, true]"), "[1, True] is not valid under any of the given"),
        (RESNET.replace(", width: 64", ""), "'width' is a required property"),
        (RESNET.replace("depth: 1", "depth: 1, growth: 8"), "'growth' was unexpected"),
        (RESNET.replace("  - ", "  "), "is not of type 'array'"),
        (RESNET + "stem: {kind: two-conv}", "'two-conv' is not one of ['three-conv'"),
        (RESNET + "stem: {width: 33}", "33 is not a multiple of 2"),
        (RESNET + "norm: on", "True is not one of ['batch', 'group']"),
        (FISH.replace("tail: [{depth: 1, width: 64}]", "tail: []"), "[] should be non-empty"),
        (FISH.replace("bridge: {depth: 1, ", "bridge: {"), "'depth' is a required property"),
        ("base: 3", "3 is not of type 'string'"),
        ("base: fishnet99\nfamily: resnet", "'fish' was expected"),
        ("base: fishnet99\nstages: {depth: 1}", "'stages' does not match any of the regexes"),
        ("base: fishnet99\ntail: {depth: 0}", "0 is less than the minimum of 1"),
        ("base: fishnet99\ntail: [{depth: 1}]", "'width' is a required property"),
        ("base: fishnet99\ntail.depht: 1", "'tail.depht' does not match any of the regexes"),
        ("base: fishnet99\ntail[01].depth: 1", "'tail[01].depth' does not match any of the regexes"),
        ("base: fishnet99\nbridge[0].depth: 1", "'bridge[0].depth' does not match any of the regexes"),
        ("base: fishnet99\ntail.downsample: max", "'max' is not one of ['max-2x2'"),
        ("base: fishnet99\ntaps.c2: 3", "3 is not of type 'string'"),
        ("base: mine.yaml\ntail.depth: 1\nstages.depth: 1", "is not valid under any of the given schemas"),
    ],
)
def test_what_may_not_be_written_is_not_valid(schema, text, message):
    found = errors(schema, text)
    assert any(message in error for error in found), found


def test_a_wrong_choice_in_a_file_on_a_base_is_pointed_to(schema):
    data = yaml.safe_load("base: fishnet99\nbody: {upsample: blur}")
    assert list(best_match(schema.iter_errors(data)).absolute_path) == ["body", "upsample"]


def test_every_field_of_every_family_is_described(schema):
    models = (*FAMILIES.values(), Stem, TailStage, Bridge, BodyStage, HeadStage, ResNetStage, DenseStage)
    parts = {"stem", "tail", "bridge", "body", "head", "stages"}  # described by what they consist of
    names = {model: name for name, model in FAMILIES.items()}
    for model in models:
        fields = schema.schema["$defs"][names.get(model, model.__name__)]["properties"]
        assert fields.keys() - {"base"} == model.model_fields.keys()
        assert [name for name, field in fields.items() if name not in parts and "description" not in field] == []


def test_the_command_prints_the_schema(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["fishnet-search", "schema"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    assert json.loads(capsys.readouterr().out) == spec_schema()


# The reference


def described(kind):
    """Return how the reference writes what a field may be, or "" for what is told in words."""
    text = ""
    match kind:
        case {"anyOf": members}:
            text = ", ".join(map(described, members))
        case {"enum": choices}:
            text = ", ".join(f"`{choice}`" for choice in choices)
        case {"const": word}:
            text = f"`{word}`"
        case {"type": "boolean"}:
            text = "`true`, `false`"
        case {"type": "integer", "minimum": low, "maximum": high, **rest}:
            text = f"{low:,} to {high:,}" + (f", a multiple of {rest['multipleOf']}" if "multipleOf" in rest else "")
        case {"type": "array", "items": {"type": "integer"}}:
            text = "a list of such"
    return text


@pytest.mark.parametrize(
    ("heading", "kinds"),
    [
        ("## Fields of every network", [Architecture]),
        ("### Stem", [Stem]),
        ("### Every stage", [Stage]),
        ("### tail", [TailStage]),
        ("### bridge", [Bridge]),
        ("### body", [BodyStage, TransferStage]),
        ("### head", [HeadStage, TransferStage]),
        ("### stages of a ResNet", [ResNetStage]),
        ("### stages of a DenseNet", [DenseStage]),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_the_reference_has_every_field_with_its_values_and_default(heading, kinds):
    section = re.search(rf"^{heading}\n(.*?)(?=^##|\Z)", LANGUAGE, re.MULTILINE | re.DOTALL)[1]
    rows = {row[0]: row for row in re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| .+ \|$", section, re.MULTILINE)}
    properties = kinds[0].model_json_schema()["properties"]
    own = [name for name in properties if any(name in kind.__annotations__ for kind in kinds)]
    assert rows.keys() - {"base"} == set(own)
    for name in own:
        _, values, default = rows[name]
        if (expected := described(properties[name])) and values != "as above":
            assert values == expected
        if isinstance(written := properties[name].get("default"), (str, int)):
            assert default == f"`{json.dumps(written) if isinstance(written, bool) else written}`"
        if name in {"depth", "width"} and name in kinds[0].model_json_schema().get("required", ()):
            assert default == "required"


def test_the_reference_names_every_family_part_and_choice():
    words = set(FAMILIES) | {name for spec in (FishSpec, ResNetSpec, DenseNetSpec) for name in spec.model_fields}
    for name in words:
        assert f"`{name}`" in LANGUAGE


def test_commands_of_the_reference_run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^    fishnet-search ([^>\n]+)", LANGUAGE, re.MULTILINE)
    assert commands
    for command in commands:
        monkeypatch.setattr("sys.argv", ["fishnet-search", *command.split()])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code, capsys.readouterr().err
