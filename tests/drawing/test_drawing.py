"""A drawing tells what the graph has, each thing in its place and nothing over another."""

import re
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from fishnet_search.cost.ledger import ledger_of
from fishnet_search.drawing.fish import draw
from fishnet_search.drawing.pages import graph_html, ledger_html, spec_html
from fishnet_search.graph.build import build_graph
from fishnet_search.graph.graph import Graph, features_only, taps_of
from fishnet_search.spec.loading import load_spec, preset_names, with_fields
from tests.drawing.pictures import SVG, Picture, crossings, hidden_lines, outside, overlaps, struck
from tests.fishes import minnow
from tests.spec.strategies import specs

PRESETS = pytest.mark.parametrize("name", preset_names())
UNUSUAL = {"head[0].transfer_from": "tail0", "body[2].transfer_from": "none", "head[2].transfer_from": "tail2"}


@cache
def drawn(name: str) -> Picture:
    return Picture(draw(build_graph(load_spec(name)), name))


def picture_of(**fields) -> Picture:
    return Picture(draw(build_graph(minnow(**fields))))


def words_in(picture: Picture, stage: str) -> list[str]:
    return [child.text for child in picture.by_stage()[stage].iter(f"{SVG}text")]


def transfers_in(picture: Picture) -> dict:
    lines = picture.of_class("transfer")
    found = {
        line.get("data-to"): (line.get("data-from"), int(line.get("data-blocks")))
        for line in lines
        if line.get("data-to")
    }
    assert len(found) == sum(line.get("data-to") is not None for line in lines)
    return found


@PRESETS
def test_every_stage_is_shown_with_its_name_and_the_channels_that_leave_it(name):
    graph, picture = build_graph(load_spec(name)), drawn(name)
    joined = {each.get("data-stage"): each.get("data-channels") for each in picture.of_class("concatenation")}
    assert [*picture.by_stage()] == ["image", *(node.name for node in graph.nodes)]
    for node in graph.nodes:
        words = words_in(picture, node.name)
        assert node.name in words
        if node.name in joined:
            assert joined[node.name] == str(node.shape.channels)
            assert str(node.shape.channels) in picture.words()
        else:
            assert f"{node.shape.channels} {'classes' if node.name == 'classifier' else 'channels'}" in words


@PRESETS
def test_no_text_of_a_preset_touches_another_and_no_line_passes_behind_a_box(name):
    assert overlaps(drawn(name)) == []
    assert outside(drawn(name)) == []
    assert hidden_lines(drawn(name)) == []
    assert struck(drawn(name)) == []


@settings(max_examples=40, deadline=None)
@given(specs())
def test_nothing_overlaps_in_any_network_or_backbone(spec):
    graph = build_graph(spec)
    for each in (graph, features_only(graph, ["stem", *dict(graph.taps)])):
        picture = Picture(draw(each, "A network"))
        assert overlaps(picture) == []
        assert outside(picture) == []
        assert hidden_lines(picture) == []
        assert struck(picture) == []
        assert not {"nan", "inf", "None"} & set(re.findall(r"\w+", draw(each)))


@pytest.mark.parametrize("fields", [{}, UNUSUAL, {"head.transfer": 0}], ids=["usual", "unusual", "without blocks"])
def test_every_transfer_is_drawn_once_from_its_source_to_its_target(fields):
    spec = minnow(**fields)
    picture = Picture(draw(build_graph(spec)))
    planned = {plan.name: (plan.source, plan.stage.transfer) for plan in spec.plan if plan.source}
    assert transfers_in(picture) == planned
    labels = [words for words in picture.words() if words.endswith("× transfer")]
    assert sorted(labels) == sorted(f"{blocks} × transfer" for _, blocks in planned.values())


@pytest.mark.parametrize("fields", [{}, UNUSUAL])
def test_a_transfer_begins_and_ends_in_the_row_of_its_resolution(fields):
    spec = minnow(**fields)
    picture = Picture(draw(build_graph(spec)))
    rows = picture.row_heights()
    stride = {name: at for name, (at, _) in spec.stage_outputs.items()}
    lines = [line for line in picture.of_class("transfer") if line.get("data-to")]
    assert lines
    for line in lines:
        way, boxes = picture.way(line), picture.boxes()
        y = rows[spec.image_size // stride[line.get("data-from")]]
        assert way[0][1] == way[-1][1] == pytest.approx(y, abs=0.02)
        assert boxes[line.get("data-from")].left < way[0][0] < way[-1][0]


def test_unusual_transfers_touch_no_text_and_no_box():
    picture = picture_of(**UNUSUAL)
    assert overlaps(picture) == hidden_lines(picture) == struck(picture) == []


def test_channels_of_many_digits_find_room_beside_a_transfer_from_either_side():
    wide = {"head[0].width": 20_000, "head[0].shortcut": "projection"}
    for source in ("body1", "tail0"):
        picture = picture_of(**wide, **{"head[0].transfer_from": source})
        assert overlaps(picture) == hidden_lines(picture) == struck(picture) == []


@pytest.mark.parametrize("name", ["fishnet99", "fishnet150", "fishnet201", "fishnet-nano"])
def test_the_transfers_of_a_usual_fish_cross_nothing(name):
    assert crossings(drawn(name)) == []


def test_a_transfer_runs_in_the_middle_of_its_row_as_far_as_no_box_stands_there():
    picture, rows = drawn("fishnet150"), drawn("fishnet150").row_heights()
    ways = {(line.get("data-from"), line.get("data-to")): picture.way(line) for line in picture.of_class("transfer")}
    for ends, side in {("stem", "body2"): 56, ("tail0", "body1"): 28, ("bridge", "head2"): 7}.items():
        (x, y), (x_to, y_to) = max(pairwise(ways[ends]), key=lambda piece: piece[1][0] - piece[0][0])
        assert x_to - x > 200
        assert y == y_to == pytest.approx(rows[side], abs=0.02)


def test_a_box_stands_in_the_row_in_which_its_blocks_work():
    picture = drawn("fishnet150")
    sides = {name: int(box.get("data-side")) for name, box in picture.by_stage().items()}
    assert sides == {
        **{"image": 224, "stem": 56, "tail0": 56, "tail1": 28, "tail2": 14, "bridge": 7, "body0": 7, "body1": 14},
        **{"body2": 28, "head0": 56, "head1": 28, "head2": 14, "classifier": 7},
    }
    rows = picture.row_heights()
    for name, box in picture.boxes().items():
        assert (box.top + box.bottom) / 2 == pytest.approx(rows[sides[name]], abs=0.02)


def test_a_resnet_stage_that_halves_the_resolution_stands_in_the_row_of_its_output():
    sides = {name: int(box.get("data-side")) for name, box in drawn("resnet50").by_stage().items()}
    assert [sides[f"stage{i}"] for i in range(4)] == [56, 28, 14, 7]
    assert drawn("resnet50").words().count("stride 2") == 3


def test_a_detnets_last_stages_stay_in_their_row():
    sides = {name: int(box.get("data-side")) for name, box in drawn("detnet59").by_stage().items()}
    assert sides["stage2"] == sides["stage3"] == sides["stage4"] == 14


def test_rows_go_down_with_the_resolution_and_columns_go_right_with_the_computation():
    picture = drawn("fishnet150")
    rows = picture.row_heights()
    assert sorted(rows, key=rows.get) == [224, 56, 28, 14, 7]
    lefts = [box.left for box in picture.boxes().values()]
    assert lefts == sorted(lefts)


def test_tail_body_and_head_are_named_in_this_order():
    headings = {text.words: text for text in drawn("fishnet150").texts() if text.top < 80}
    assert headings["tail"].right < headings["body"].left < headings["body"].right < headings["head"].left
    boxes = drawn("fishnet150").boxes()
    assert boxes["body0"].left < headings["body"].left < headings["body"].right < boxes["body2"].right


def test_a_fish_needs_neither_body_nor_head_to_be_drawn():
    picture = Picture(draw(build_graph(minnow().model_copy(update={"body": (), "head": ()}))))
    assert [*picture.by_stage()] == ["image", "stem", "tail0", "tail1", "tail2", "bridge", "classifier"]
    assert transfers_in(picture) == {}
    assert not {"body", "head"} & set(picture.words())


def test_more_channels_make_a_higher_box():
    boxes = drawn("fishnet150").boxes()
    height = {name: box.bottom - box.top for name, box in boxes.items()}
    assert height["stem"] < height["tail0"] < height["tail1"] < height["tail2"] == height["bridge"]
    assert height["body0"] > height["body1"] > height["body2"] < height["head0"] < height["head1"] < height["head2"]


@PRESETS
def test_taps_fly_as_flags_with_name_and_channels(name):
    graph = build_graph(load_spec(name))
    flags = [(flag.get("data-tap"), flag.get("data-stage")) for flag in drawn(name).of_class("tap")]
    assert sorted(flags) == sorted((tap.name, tap.node) for tap in taps_of(graph))
    assert {f"{tap.name} · {tap.channels}" for tap in taps_of(graph)} <= set(drawn(name).words())


def test_a_flag_flies_on_the_side_from_which_the_main_path_does_not_come():
    rows, flags = drawn("fishnet150").row_heights(), {text.words: text for text in drawn("fishnet150").texts()}
    assert flags["body2 · 320"].bottom < rows[56]
    assert flags["head0 · 832"].top > rows[28]
    assert flags["head2 · 2112"].top > rows[7]


def test_a_long_name_of_a_tap_is_cut_short_and_stays_in_the_picture():
    taps = {"a_name_" * 20: "stem", "second": "stem", "third": "stem"}
    picture = Picture(draw(build_graph(minnow().model_copy(update={"taps": taps}))))
    assert outside(picture) == overlaps(picture) == []
    assert any(words.startswith("a_name_a_name") and "…" in words for words in picture.words())


def test_a_backbone_is_drawn_without_what_no_output_needs():
    picture = Picture(draw(features_only(build_graph(load_spec("fishnet150")), ["tail1", "body1"])))
    assert [*picture.by_stage()][-1] == "body1"
    assert {"fish backbone", "tail1 · 256", "body1 · 512"} <= set(picture.words())
    assert transfers_in(picture) == {"body0": ("tail1", 2), "body1": ("tail0", 2)}


def test_what_stages_are_made_of_is_written_in_their_boxes():
    fields = {"body[1].kernel": 5, "tail[2].depth": 2, "tail[2].dilation": [1, 3], "head[0].groups": 2}
    picture = picture_of(**fields, **{"head[1].squeeze_excitation": True, "body[2].block": "preact-basic"})
    assert words_in(picture, "tail2")[1:3] == ["2 × bottleneck", "dilation 1, 3"]
    assert words_in(picture, "body1")[1:4] == ["1 × UR-block", "kernel 5×5", "dilation 2"]
    assert words_in(picture, "body2")[1:3] == ["1 × UR-block", "of basic kind"]
    assert words_in(picture, "head0")[1:3] == ["1 × DR-block", "2 groups"]
    assert "SE" in words_in(picture, "head1")


def test_how_the_resolution_changes_is_written_beside_the_arrows():
    picture = picture_of(
        **{"tail[1].downsample": "avg-2x2", "head[0].downsample": "blur", "body[0].upsample": "bilinear"}
    )
    changes = [each.text for each in picture.of_class("change")]
    assert sorted(changes) == sorted(["max 2×2"] * 4 + ["avg 2×2", "blur", "bilinear", "nearest", "nearest"])


def test_a_projection_in_a_head_is_marked():
    plain = picture_of()
    marked = picture_of(**{"head[1].width": 64, "head[1].shortcut": "projection"})
    assert "P" not in words_in(plain, "head1")
    assert "P" in words_in(marked, "head1")
    assert "k 2" in words_in(plain, "body1")  # 96 channels squeezed to 48 enter it
    assert "k 2" not in words_in(plain, "body0")


def test_the_caption_names_image_parameters_and_macs():
    words = drawn("fishnet150").words()
    assert words[0] == "fishnet150"
    assert words[1].startswith("image 3×224×224 · 24.96 M parameters · 6.40 G multiply-accumulates")


def test_a_title_is_escaped_and_never_leaves_the_picture():
    title = '<script>"A" & B</script> \x00 ' + "long" * 100
    svg = draw(build_graph(minnow()), title)
    picture = Picture(svg)
    assert "<script" not in svg
    assert '<script>"A" & B</script>' in " ".join(picture.words())
    assert outside(picture) == overlaps(picture) == []


def test_a_drawing_is_the_same_every_time():
    assert draw(build_graph(minnow(**UNUSUAL)), "x") == draw(build_graph(minnow(**UNUSUAL)), "x")


def test_parts_of_a_network_can_be_drawn_too():
    graph = build_graph(load_spec("fishnet99"))
    for node in graph.nodes:
        picture = Picture(draw(node.op))
        assert overlaps(picture) == outside(picture) == []
        assert len(picture.by_stage()) == len(node.op.inputs) + len(node.op.nodes)
        for inner in node.op.nodes:
            if isinstance(inner.op, Graph):
                assert overlaps(Picture(draw(inner.op))) == []


def cells_of(html: str) -> list[list[str]]:
    return [[cell.text or "" for cell in row] for row in ElementTree.fromstring(html).iter("tr")]


def test_a_ledger_is_a_table_of_exact_figures():
    ledger = ledger_of(build_graph(load_spec("fishnet150")))
    head, *rows = cells_of(ledger_html(ledger))
    assert head == ["stage", "output C×H×W", "sees", "layers", "parameters", "MACs", "activations", "made of"]
    assert rows[4][:6] == ["bridge", "512×7×7", "635", "17", "2,160,672", "102,809,600"]
    assert rows[-3][:3] == ["classifier", "1000×1×1", "image"]
    assert rows[-2][:6] == ["backbone", "", "", "149", "21,665,792", "6,287,503,360"]
    assert rows[-1][:7] == ["total", "", "", "151", "24,959,400", "6,397,842,688", "16,824,616"]
    assert sum(int(row[6].replace(",", "")) for row in rows[:-2]) == ledger.total.activations


def test_a_backbones_ledger_has_no_second_sum():
    names = [row[0] for row in cells_of(ledger_html(ledger_of(features_only(build_graph(minnow())))))]
    assert names[-2:] == ["head2", "total"]


def test_figures_of_a_ledger_stand_under_each_other():
    root = ElementTree.fromstring(ledger_html(ledger_of(build_graph(minnow()))))
    assert "tabular-nums" in root.find("table").get("style")
    assert all("text-align:right" in row[5].get("style") for row in root.iter("tr"))


def test_a_notebook_shows_a_specs_drawing_costs_and_identity():
    spec = with_fields(load_spec("fishnet-nano"), {"classes": 7})
    html = spec_html(spec)
    assert html == spec._repr_html_()
    assert spec._repr_svg_() == draw(build_graph(spec))
    assert spec._repr_svg_() in html
    assert ledger_html(ledger_of(build_graph(spec))) in html
    assert spec.identity() in html
    ElementTree.fromstring(html)


def test_a_notebook_shows_a_graphs_drawing_on_white_and_its_costs():
    graph = build_graph(load_spec("resnet50"))
    assert graph_html(graph) == graph._repr_html_()
    assert draw(graph) in graph_html(graph)
    assert "25,557,032 parameters, 4,089,184,256 MACs" in graph_html(graph)
    ground = ElementTree.fromstring(draw(graph)).find(f"{SVG}rect")
    assert (ground.get("fill"), ground.get("width")) == (
        "#ffffff",
        ElementTree.fromstring(draw(graph)).get("width"),
    )
