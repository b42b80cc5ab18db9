"""The figures of the chapter, drawn by matplotlib in one style.

Every function returns a `Chart`. It shows itself in a notebook as inline SVG, whose text and
lines take the colour of the text around them; ``chart.figure`` is the matplotlib figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from tinytorch.analysis.chart import COLOURS, INK, LINE_STYLES, SIZE, STATES, STYLE, Chart


def curves(
    lines: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    title: str = "",
    x_log: bool = False,
    y_log: bool = False,
    markers: bool = False,
    states: Sequence[str] = (),
    signs: str = ",.",
) -> Chart:
    """Draw up to four lines, each named at its end.

    Parameters
    ----------
    lines : mapping of str to (x, y)
        Points of each line, by its name.
    x_label, y_label : str
        What the axes show, with units.
    alt : str
        What the figure says, for readers who do not see it.
    title : str
    x_log, y_log : bool
        Logarithmic axes.
    markers : bool
        Mark the points, where they are measurements.
    states : sequence of str
        For each line, the state of `tinytorch.analysis.chart.STATES` whose colour it has.
        Default: the colours that mean none.
    signs : str
        What stands between thousands, and before decimals.

    Returns
    -------
    Chart

    Raises
    ------
    ValueError
        If there are no lines, or more than there are colours, or a state is unknown.
    """
    _require_series(lines)
    figure, axes = _new_figure(x_label, y_label, title)
    ends = []
    with rc_context(STYLE):
        styles = zip(lines.items(), _colours(lines, states), LINE_STYLES, strict=False)
        for (name, (x, y)), colour, line_style in styles:
            marker = "o" if markers else None
            axes.plot(x, y, color=colour, linestyle=line_style, marker=marker)
            ends.append((np.asarray(x)[-1], np.asarray(y)[-1], name, colour))
        if x_log:
            axes.set_xscale("log")
        elif all(np.asarray(x).dtype.kind in "iu" for x, _ in lines.values()):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if y_log:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        _separate_thousands(axes, signs)
        _name_ends(axes, ends)
    return Chart(figure, alt)


def unit(largest: float) -> tuple[float, str]:
    """Return a power of a thousand to divide counts by, and the word that says so on an axis."""
    for scale, word in ((1e12, "trillion "), (1e9, "billion "), (1e6, "million ")):
        if largest >= 10 * scale:
            return scale, word
    return 1.0, ""


def bars(
    groups: Mapping[str, Mapping[str, float]],
    *,
    x_label: str,
    alt: str,
    title: str = "",
    value_format: str = "{:,.1f}",
    stacked: bool = False,
    x_log: bool = False,
    states: Sequence[str] = (),
    signs: str = ",.",
) -> Chart:
    """Draw horizontal bars with their values written behind them.

    Parameters
    ----------
    groups : mapping of str to mapping of str to float
        For each series, the value of each category. All series have the same categories.
    x_label : str
        What the bars measure, with its unit.
    alt : str
        What the figure says, for readers who do not see it.
    title : str
    value_format : str
        How a value is written.
    stacked : bool
        Put the series behind each other instead of below each other.
    x_log : bool
        A value of 0 has no bar on such an axis, and is written at its beginning.
    states : sequence of str
        As in `curves`, for each series.
    signs : str
        As in `curves`.

    Returns
    -------
    Chart

    Raises
    ------
    ValueError
        If there are no series, or more than there are colours, or a state is unknown.
    """
    _require_series(groups)
    colours = _colours(groups, states)
    categories = list(next(iter(groups.values())))
    rows_per_category = 1 if stacked else len(groups)
    height = 1.1 + 0.3 * len(categories) * (rows_per_category + 0.35) + 0.3 * (len(groups) > 1)
    figure, axes = _new_figure(x_label, "", title, (SIZE[0], height))
    thickness = 0.74 / rows_per_category
    base = np.zeros(len(categories))
    own = str.maketrans(",.", signs)
    with rc_context(STYLE):
        for i, ((name, values), colour) in enumerate(zip(groups.items(), colours, strict=False)):
            lengths = np.array([values[category] for category in categories], dtype=float)
            offset = 0 if stacked else (i - (len(groups) - 1) / 2) * thickness
            places = np.arange(len(categories)) + offset
            drawn = axes.barh(
                places,
                lengths,
                0.92 * thickness,
                left=base if stacked else None,
                color=colour,
                label=name,
            )
            texts = [value_format.format(value).translate(own) for value in lengths]
            if x_log:
                for j in np.flatnonzero(lengths == 0):
                    edge = axes.get_yaxis_transform()
                    axes.text(0.01, places[j], "0", transform=edge, va="center", fontsize=11)
                    texts[j] = ""
            if not stacked:
                axes.bar_label(drawn, texts, padding=4, fontsize=11)
            elif i + 1 == len(groups):
                totals = [value_format.format(value).translate(own) for value in base + lengths]
                axes.bar_label(drawn, totals, padding=4, fontsize=11)
            base += lengths
        axes.set_yticks(range(len(categories)), categories)
        axes.invert_yaxis()
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if x_log:
            axes.set_xscale("log")
        elif signs != ",.":
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}".translate(own))
        axes.margins(x=0.14)
        if len(groups) > 1:
            figure.legend(loc="outside upper left", ncols=len(groups), fontsize=11)
    return Chart(figure, alt)


def cells(
    values: ArrayLike,
    *,
    x_label: str,
    y_label: str,
    alt: str,
    title: str = "",
    bar_label: str = "",
    labels: Sequence[Sequence[str]] | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Chart:
    """Draw a matrix as coloured cells: small values blend into the page, large ones stand out.

    Parameters
    ----------
    values : array_like of shape (rows, columns)
        NaN leaves a cell empty.
    x_label, y_label : str
        What columns and rows are.
    alt : str
        What the figure says, for readers who do not see it.
    title : str
    bar_label : str
        What the colours measure; without it, no colour bar is drawn.
    labels : sequence of sequence of str, optional
        Text in each cell.
    low, high : float, optional
        Values of the weakest and the strongest colour.

    Returns
    -------
    Chart
    """
    values = np.asarray(values, dtype=float)
    figure, axes = _new_figure(x_label, y_label, title)
    with rc_context(STYLE):
        mesh = axes.pcolormesh(
            values, cmap=_fading(STATES["kept"]), vmin=low, vmax=high, edgecolor=INK, linewidth=0.3
        )
        axes.invert_yaxis()
        for axis, length in ((axes.xaxis, values.shape[1]), (axes.yaxis, values.shape[0])):
            step = max(1, -(-length // 10))
            axis.set_ticks(np.arange(0, length, step) + 0.5, np.arange(0, length, step))
        axes.tick_params(length=0)
        for i, row in enumerate(labels or []):
            for j, text in enumerate(row):
                axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=11)
        if bar_label:
            figure.colorbar(mesh, label=bar_label)
    return Chart(figure, alt)


def roofline(
    points: Mapping[str, tuple[float, float]],
    *,
    bandwidth: float,
    peak: float,
    alt: str,
    title: str = "",
) -> Chart:
    """Draw a machine's two limits and where programs stand below them.

    Parameters
    ----------
    points : mapping of str to (intensity, speed)
        Floating-point operations per byte, and GFLOP/s, of each program.
    bandwidth : float
        Of memory, in GB/s.
    peak : float
        Of arithmetic, in GFLOP/s.
    alt : str
        What the figure says, for readers who do not see it.
    title : str

    Returns
    -------
    Chart

    Notes
    -----
    Williams et al. 2009, doi:10.1145/1498765.1498785, figure 1a.
    """
    _require_series(points)
    figure, axes = _new_figure("floating-point operations per byte", "GFLOP/s", title)
    intensities = [intensity for intensity, _ in points.values()]
    ridge = peak / bandwidth
    x = np.geomspace(min(*intensities, ridge) / 4, max(*intensities, ridge) * 8, 200)
    with rc_context(STYLE):
        axes.loglog(x, np.minimum(peak, bandwidth * x), color=INK, linewidth=1.4)
        axes.text(ridge, peak * 1.15, f"peak {peak:,.0f} GFLOP/s", ha="left", fontsize=11)
        axes.text(x[0], bandwidth * x[0] * 4, f"{bandwidth:,.0f} GB/s", ha="left", fontsize=11)
        for (name, point), colour in zip(points.items(), COLOURS, strict=False):
            axes.plot(*point, "o", color=colour, markersize=9, label=name)
        axes.set_ylim(top=peak * 3)
        axes.legend(loc="best", fontsize=11)
    return Chart(figure, alt)


def _new_figure(
    x_label: str, y_label: str, title: str, size: tuple[float, float] = SIZE
) -> tuple[Figure, Axes]:
    with rc_context(STYLE):
        figure = Figure(figsize=size)
        axes = figure.add_subplot()
        axes.set(xlabel=x_label, ylabel=y_label, title=title)
    return figure, axes


def _require_series(series: Mapping[str, object]) -> None:
    if not 1 <= len(series) <= len(COLOURS):
        raise ValueError(f"need 1 to {len(COLOURS)} series, got {len(series)}")


def _colours(series: Mapping[str, object], states: Sequence[str]) -> Sequence[str]:
    if not states:
        return COLOURS
    if len(states) != len(series) or not set(states) <= set(STATES):
        raise ValueError(
            f"states must be {len(series)} of {sorted(STATES)}, one for each series, got {states}"
        )
    return [STATES[state] for state in states]


def _separate_thousands(axes: Axes, signs: str) -> None:
    own = str.maketrans(",.", signs)
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "linear":
            axis.set_major_formatter(lambda value, _: f"{value:,.10g}".translate(own))


def _name_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write each line's name right of its last point, and keep the names apart."""
    axes.figure.canvas.draw()
    pixels = [axes.transData.transform(end[:2])[1] for end in ends]
    gap = 17 / 72 * axes.figure.dpi
    previous = -np.inf
    for i in np.argsort(pixels):
        x, y, name, colour = ends[i]
        height = max(pixels[i], previous + gap)
        previous = height
        axes.annotate(
            name,
            (x, y),
            xytext=(8, (height - pixels[i]) * 72 / axes.figure.dpi),
            textcoords="offset points",
            va="center",
            fontsize=11,
            fontweight="bold",
            color=colour,
        )


def _fading(colour: str) -> LinearSegmentedColormap:
    """Colours from transparent to `colour`."""
    red, green, blue, _ = to_rgba(colour)
    return LinearSegmentedColormap.from_list(
        "fading", [(red, green, blue, 0.0), (red, green, blue, 1.0)]
    )
