"""The page in a real browser: without network, without errors, sorted by its headers, readable in small and large."""

from __future__ import annotations

import base64
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("websocket", reason="needs websocket-client: pip install fishnet-search[test]")

from fishnet_search.report.write import write_report
from fishnet_search.study.record import PublishedRecord
from tests.browser import Browser, browser_path
from tests.figures import plain_figures
from tests.records import duplicate, failed, pruned, refused, study_of, trials_of, variant
from tests.searches import curve_of, space, stopped, whole

pytestmark = pytest.mark.skipif(browser_path() is None, reason="no Chromium here: apt-get install chromium")

ATTACK = "<img src=https://example.org/x onerror=alert(1)><script>alert(1)</script>"
ACCURACY = {"max-2x2": (0.912, 0.931, 0.922), "avg-2x2": (0.99, 0.981, 0.985), "conv-3x3": (0.89, 0.9, 0.883)}
COSTS = {"max-2x2": (987_654, 9_000_000), "avg-2x2": (12_345_678, 80_000_000), "conv-3x3": (2_000_000, 100_000_000)}
LONG = "a-variant-whose-name-is-as-long-as-sixty-letters-may-be-0123"


def page_of(study, trials, folder):
    """Write a report, of which a browser shows the page alone."""
    with plain_figures():
        return write_report(study, trials, folder, command="report").html


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with a bit of everything, some of it hostile."""
    names = [*ACCURACY, LONG]
    study = study_of(
        names, description=ATTACK, stop="asha", axes={"pooling": ("tail.downsample",), "attention": ("a",)}
    )
    costs = {name: dict(zip(("params", "macs"), COSTS.get(name, (5, 5)), strict=True)) for name in names}
    variants = tuple(
        variant(name, levels={"pooling": name, "attention": i % 2 == 1}, **costs[name]) for i, name in enumerate(names)
    )
    trials = [each.model_copy(update=costs[each.variant]) for each in trials_of(ACCURACY)]
    others = [pruned(LONG, 1), failed(LONG, 2, ATTACK), duplicate(LONG, trials[2])]
    trials += [each.model_copy(update=costs[LONG]) for each in others]
    return page_of(study.model_copy(update={"variants": variants}), trials, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A report of a search, with all the figures that there are."""
    study = space(20, stop="asha", finalists=("v19", "v5"))
    trials = whole(study)
    for i in range(1, 5):
        trials[i] = stopped(study.variants[i], 1, curve_of(i)[:1], i)
    return page_of(study, trials, tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def dense(tmp_path_factory):
    """A report with published values beside its own, and with a twin of the same cost."""
    said = {"setting": "ImageNet", "source": "A paper"}
    values = {"params": 24_960_000, "macs": 6_450_000_000, "top1": 0.7814, "top5": 0.9395}
    published = tuple(PublishedRecord(variant="base", metric=each, value=values[each], **said) for each in values)
    variants = (variant("base"), variant("conv"), variant("conv-same-macs", matches="conv"), variant("wide"))
    told = {"published": published, "match": "macs", "refused": (refused("wide-same-macs", "match"),)}
    study = study_of(["base"], **told).model_copy(update={"variants": variants})
    trials = trials_of(dict(zip([one.name for one in variants], [*ACCURACY.values(), (0.95, 0.96, 0.97)], strict=True)))
    return page_of(study, trials, tmp_path_factory.mktemp("dense"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = Browser(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def loaded(browser, page):
    """The report just loaded, for tests that only look at it."""
    browser.open(page, width=1400)
    return browser


@pytest.fixture(scope="module", params=[("page", 400), ("search", 400), ("page", 1400), ("search", 1400)], ids=str)
def unfolded(request, browser):
    """A page in a window of some width with all that is folded open, for tests that only look at it."""
    name, width = request.param
    browser.open(request.getfixturevalue(name), width=width)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    if folder := os.environ.get("SCREENSHOTS"):
        browser.screenshot(Path(folder) / f"{name}-{width}.png")
    return browser


def column(browser, place):
    """The cells of the main table, from top to bottom."""
    return browser.run(
        f"[...document.querySelectorAll('#table-results tbody tr')].map(row => row.cells[{place}].textContent)"
    )


def header(browser, name):
    """The place of a column of the main table, and how to find its header."""
    names = browser.run("[...document.querySelectorAll('#table-results th')].map(header => header.textContent)")
    place = names.index(name)
    return place, f"#table-results th:nth-child({place + 1})"


def test_the_page_loads_without_network_and_without_a_complaint(loaded, page):
    assert loaded.requests() == [page.as_uri()]
    assert loaded.complaints() == []
    assert loaded.run("document.querySelectorAll('figure svg').length") >= 4


def test_the_names_of_trials_and_variants_are_shown_as_they_are(loaded):
    assert loaded.run("document.querySelector('.lead').textContent") == ATTACK
    assert loaded.run("document.querySelectorAll('img, main script').length") == 0


def test_what_a_hostile_record_asks_for_is_not_done_even_where_it_is_an_element(browser, page):
    browser.open(page, width=1400)
    browser.run(
        f"document.body.insertAdjacentHTML('beforeend', {json.dumps(ATTACK)}), new Promise(f => setTimeout(f, 300))"
    )
    refused = [one for one in browser.complaints() if "Content Security Policy" in json.dumps(one)]
    assert refused
    assert {one for one in browser.requests() if one != page.as_uri()} <= set(browser.blocked())


def test_the_page_is_no_wider_than_its_window(unfolded):
    width = unfolded.run("innerWidth")
    assert unfolded.run("document.documentElement.scrollWidth") == width
    beyond = unfolded.run(
        "[...document.querySelectorAll('main *')].filter(one => !one.closest('.wide') "
        "&& one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80))"
    )
    assert beyond == []


@pytest.mark.parametrize("name", ["page", "search", "dense"])
def test_every_part_of_the_page_is_linked_at_its_top(browser, request, name):
    browser.open(request.getfixturevalue(name), width=1400)
    linked = browser.run("[...document.querySelectorAll('nav a')].map(link => link.hash.slice(1))")
    assert linked == browser.run("[...document.querySelectorAll('h2')].map(heading => heading.id)")
    assert browser.run(f"{json.dumps(linked)}.every(id => document.querySelectorAll('#' + id).length === 1)")


def test_the_table_of_results_fits_a_large_window_with_published_values_too(browser, dense):
    browser.open(dense, width=1400)
    box = "document.querySelector('#table-results')"
    assert browser.run(f"{box}.querySelectorAll('td.published').length") == 16
    assert browser.run(f"{box}.scrollWidth") == browser.run(f"{box}.clientWidth")


def shaded(browser, selector):
    """Whether the left and the right edge of a box are darker than the page."""
    x, y, width, height = browser.run(
        f"(box => [box.left + scrollX, box.top + scrollY, box.width, box.height])"
        f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
    )
    found = []
    for left in (x, x + width - 2):
        clip = {"x": left, "y": y, "width": 2, "height": height, "scale": 1}
        taken = browser.send("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        found.append(bool(np.median(Image.open(io.BytesIO(base64.b64decode(taken))).convert("L")) < 240))
    return found


@pytest.mark.parametrize("selector", ["#effects .wide", "#table-results"])
def test_a_box_shows_at_which_edges_there_is_more(browser, page, selector):
    browser.open(page, width=400)
    box = f"document.querySelector({json.dumps(selector)})"
    assert browser.run(f"{box}.scrollWidth - {box}.clientWidth") > 100
    for place, edges in ((0, [False, True]), (70, [True, True]), (9999, [True, False])):
        browser.run(f"{box}.scrollLeft = {place}")
        assert shaded(browser, selector) == edges
    browser.open(page, width=1400)
    assert browser.run(f"{box}.scrollWidth - {box}.clientWidth") == 0
    assert shaded(browser, selector) == [False, False]


def test_text_is_large_enough_to_be_read(unfolded):
    sizes = unfolded.run(
        "[...document.querySelectorAll('main *')].filter(one => one.childElementCount === 0 && one.textContent.trim() "
        "&& (!one.ownerSVGElement || one.closest('text')))"
        ".map(one => parseFloat(getComputedStyle(one).fontSize) "
        "* (one.ownerSVGElement ? Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b) : 1))"
    )
    assert min(sizes) >= 7


def test_a_click_sorts_numbers_as_numbers_and_a_second_one_the_other_way(browser, page):
    browser.open(page, width=1400)
    place, selector = header(browser, "params")
    assert column(browser, place) == ["0.99 M", "12.35 M", "2.00 M", "0.00 M"]
    browser.click(f"{selector} button")
    assert column(browser, place) == ["0.00 M", "0.99 M", "2.00 M", "12.35 M"]
    assert browser.run(f"document.querySelector('{selector}').getAttribute('aria-sort')") == "ascending"
    browser.click(f"{selector} button")
    assert column(browser, place) == ["12.35 M", "2.00 M", "0.99 M", "0.00 M"]
    assert browser.run(f"document.querySelector('{selector}').getAttribute('aria-sort')") == "descending"
    assert browser.complaints() == []


def test_differences_are_sorted_by_their_sign_and_those_that_are_not_there_come_last(browser, page):
    browser.open(page, width=1400)
    place, selector = header(browser, "difference (points)")
    browser.click(f"{selector} button")
    order = [cell.split(" ")[0] for cell in column(browser, place)]
    assert order == ["−3.07", "0.00", "+6.37", "–"]  # by hand: conv, the long name with one seed, avg, baseline
    browser.click(f"{selector} button")
    assert [cell.split(" ")[0] for cell in column(browser, place)] == ["+6.37", "0.00", "−3.07", "–"]


def test_headers_are_reached_and_pressed_by_keys(browser, page):
    browser.open(page, width=1400)
    place, selector = header(browser, "variant")
    browser.run(f"document.querySelector('{selector} button').focus()")
    browser.press("Enter", "\r")
    assert column(browser, place) == [LONG, "avg-2x2", "conv-3x3", "max-2x2"]
    browser.press("Tab")
    assert browser.run("document.activeElement.closest('th').textContent") == "attention"


CELLS = {  # in the order of a table -> as they are sorted
    ("1 h 2 min", "3 min 20 s", "59.9 s", "3 min 5 s"): ["59.9 s", "3 min 5 s", "3 min 20 s", "1 h 2 min"],
    ("+1,200 %", "−35 %", "–", "+0.3 %"): ["−35 %", "+0.3 %", "+1,200 %", "–"],
    ("0.034", "< 0.001", "0.20"): ["< 0.001", "0.034", "0.20"],
    ("10 of 12", "9", "12"): ["9", "10 of 12", "12"],
    ("97.3 ± 0.1", "100.00 ± –", "9.5 ± 11.2"): ["9.5 ± 11.2", "97.3 ± 0.1", "100.00 ± –"],
    ("+0.20 to +1.10", "−1.10 to +2.00", "–"): ["−1.10 to +2.00", "+0.20 to +1.10", "–"],
    ("∞", "12.30", "–", "−∞", "−1.26"): ["−∞", "−1.26", "12.30", "∞", "–"],
    ("1.2 G", "900.0 M", "12 k"): ["12 k", "900.0 M", "1.2 G"],
    ("78.14 [1], 78.07 [2]", "", "9 [1]"): ["9 [1]", "78.14 [1], 78.07 [2]", ""],
    ("7x7", "3x3", "11x11"): ["3x3", "7x7", "11x11"],
    ("✓", "–", "✓"): ["✓", "✓", "–"],
    ("width 10", "Width 9", "depth 2"): ["depth 2", "Width 9", "width 10"],
}


def test_every_kind_of_cell_is_sorted_as_a_person_would(browser, page):
    browser.open(page, width=1400)
    for cells, ordered in CELLS.items():
        browser.run(
            f"{{const body = document.querySelector('#table-results tbody'), cells = {json.dumps(cells)};"
            "while (body.rows.length > cells.length) body.rows[0].remove();"
            "while (body.rows.length < cells.length) body.append(body.rows[0].cloneNode(true));"
            "cells.forEach((cell, i) => body.rows[i].cells[0].textContent = cell);"
            "document.querySelector('#table-results th').setAttribute('aria-sort', 'none')}"
        )
        browser.click("#table-results th:nth-child(1) button")
        assert column(browser, 0) == ordered


def test_a_trial_of_the_table_leads_to_its_curve_and_network(browser, page):
    browser.open(page, width=400)
    assert browser.run("document.querySelectorAll('.each details[open]').length") == 0
    browser.click("#table-trials tbody tr:nth-child(2) a")
    browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    opened = "document.querySelector('.each details[open]')"
    assert browser.run(f"{opened}.querySelector('summary').textContent").startswith("max-2x2 seed 2")
    assert "family: fish" in browser.run(f"{opened}.querySelector('pre').textContent")
    assert browser.run(f"{opened}.querySelector('svg').getBoundingClientRect().width") > 200
    assert 0 <= browser.run(f"{opened}.getBoundingClientRect().top") < 900


def test_the_page_is_whole_without_its_script(browser, page):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page, width=1400)
        root = browser.send("DOM.getDocument", depth=-1)["root"]["nodeId"]
        found = {
            selector: len(browser.send("DOM.querySelectorAll", nodeId=root, selector=selector)["nodeIds"])
            for selector in ("#table-results tbody tr", "figure svg", ".each details", "th button")
        }
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
    assert found["#table-results tbody tr"] == 4
    assert found["figure svg"] >= 4
    assert found[".each details"] == 12
    assert found["th button"] == 0
