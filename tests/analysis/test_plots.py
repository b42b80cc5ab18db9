"""Charts say what they are given, in colours that a page can read."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from tinytorch.analysis import plots, table
from tinytorch.analysis.chart import COLOURS, INK, STATES

ALT = "What the figure says."
LINES = {"first": ([1, 2, 3], [1, 4, 9]), "second": ([1, 2, 3], [1, 2, 3])}


def draw_all():
    return {
        "curves": plots.curves(LINES, x_label="x", y_label="y", alt=ALT),
        "curves-log": plots.curves(
            LINES, x_label="x", y_label="y", alt=ALT, x_log=True, y_log=True, markers=True
        ),
        "bars": plots.bars({"a": {"one": 1.0, "two": 2.0}}, x_label="GiB", alt=ALT),
        "bars-stacked": plots.bars(
            {"a": {"one": 1.0}, "b": {"one": 2.0}}, x_label="GiB", alt=ALT, stacked=True
        ),
        "bars-log": plots.bars({"a": {"one": 1.0}}, x_label="GiB", alt=ALT, x_log=True),
        "cells": plots.cells(
            np.eye(3), x_label="x", y_label="y", alt=ALT, bar_label="z", labels=[["a", "b", "c"]]
        ),
        "roofline": plots.roofline({"decode": (0.5, 10.0)}, bandwidth=20.0, peak=200.0, alt=ALT),
    }


@pytest.fixture(scope="module")
def charts():
    return draw_all()


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", draw_all())
def test_a_chart_is_inline_svg_with_a_text_alternative(charts, name):
    svg = charts[name].svg()
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == ALT
    assert "width" not in root.attrib
    assert root.get("viewBox")
    assert "<text" in svg
    assert INK not in svg
    assert "currentColor" in svg
    assert "metadata" not in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    html = charts[name]._repr_html_()
    assert html.startswith('<div class="tt-chart"><svg ')
    assert html.endswith("</svg></div>")


def test_the_same_data_give_the_same_svg():
    first, second = ({n: c.svg() for n, c in draw_all().items()} for _ in range(2))
    assert first == second


def test_labels_and_names_are_drawn(charts):
    svg = charts["curves"].svg()
    for text in (">x<", ">y<", ">first<", ">second<"):
        assert text in svg


def test_names_at_the_ends_of_lines_do_not_overlap():
    same = {name: ([0, 1], [0, 1]) for name in ("one", "two", "three")}
    chart = plots.curves(same, x_label="x", y_label="y", alt=ALT)
    axes = chart.figure.axes[0]
    heights = sorted(text.xyann[1] for text in axes.texts)
    assert min(np.diff(heights)) >= 15


def test_the_values_of_a_curve_are_those_given(charts):
    line = charts["curves"].figure.axes[0].lines[0]
    assert line.get_xydata().tolist() == [[1, 1], [2, 4], [3, 9]]


def test_stacked_bars_begin_where_the_others_end(charts):
    first, second = charts["bars-stacked"].figure.axes[0].patches
    assert (first.get_x(), first.get_width()) == (0, 1)
    assert (second.get_x(), second.get_width()) == (1, 2)


def test_a_zero_on_a_logarithmic_axis_is_written_without_a_bar():
    values = {"": {"none": 0.0, "some": 1e-3}}
    axes = plots.bars(values, x_label="x", alt=ALT, x_log=True, value_format="{:.0e}").figure.axes[
        0
    ]
    written = {text.get_text(): text for text in axes.texts if text.get_text()}
    assert written.keys() == {"0", "1e-03"}
    assert written["0"].get_position() == (0.01, 0)


@pytest.mark.parametrize(("x", "whole"), [([1, 2, 4], True), ([1.0, 2.0, 4.0], False)])
def test_what_is_counted_has_whole_numbers_below_it(x, whole):
    chart = plots.curves({"a": (x, [1, 1, 1])}, x_label="x", y_label="y", alt=ALT)
    ticks = chart.figure.axes[0].get_xticks()
    assert all(tick == int(tick) for tick in ticks) == whole


def test_the_roof_is_the_lower_of_both_limits(charts):
    x, y = charts["roofline"].figure.axes[0].lines[0].get_data()
    np.testing.assert_allclose(y, np.minimum(200, 20 * x))


def test_colours_stand_out_on_white_and_on_the_dark_theme():
    for colour in (*COLOURS, *STATES.values()):
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(colour, "#121212") >= 3


@pytest.mark.parametrize("count", [0, 5])
def test_a_number_of_series_without_colours_is_refused(count):
    lines = {str(i): ([0], [0]) for i in range(count)}
    with pytest.raises(ValueError, match=f"need 1 to 4 series, got {count}"):
        plots.curves(lines, x_label="x", y_label="y", alt=ALT)
    with pytest.raises(ValueError, match=f"got {count}"):
        plots.bars({str(i): {"a": 1} for i in range(count)}, x_label="x", alt=ALT)


def test_a_state_has_its_colour_in_lines_and_bars():
    lines = plots.curves(LINES, x_label="x", y_label="y", alt=ALT, states=("again", "kept"))
    drawn = [line.get_color() for line in lines.figure.axes[0].lines]
    assert drawn == [STATES["again"], STATES["kept"]]
    bars = plots.bars({"a": {"one": 1.0}}, x_label="GiB", alt=ALT, states=("now",))
    assert f"var(--now, {STATES['now']})" in bars.svg()


@pytest.mark.parametrize("states", [("kept",), ("kept", "stale")])
def test_states_that_do_not_fit_the_lines_are_refused(states):
    with pytest.raises(ValueError, match="states must be 2 of"):
        plots.curves(LINES, x_label="x", y_label="y", alt=ALT, states=states)


def test_a_table_shows_the_columns_asked_for():
    rows = [{"a": 1234, "b": 0.5, "c": "text"}, {"a": 5, "b": 2.25, "c": "<b>"}]
    html = table(rows, {"c": "Text", "a": "Number"})
    cells = [
        re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", html)
    ]
    assert cells == ["Text", "Number", "text", "1,234", "&lt;b&gt;", "5"]
    assert html._repr_html_() == html


def test_a_table_without_columns_shows_all():
    html = table([{"a": 1, "b": 0.125}], float_format=".3f")
    assert html.count("</th>") == 2
    assert "0.125" in html


def test_a_table_refuses_an_unknown_column():
    with pytest.raises(KeyError, match="missing"):
        table([{"a": 1}], {"missing": "M"})
