"""Reports as one HTML file that needs no other: no script, no other host.

Values and names are whatever somebody's table holds: all are escaped, and pictures are images, in
which nothing runs.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, cast

import jinja2
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from cli.safe_text import safe

BAD, GOOD, PLAIN = "#c0392b", "#2f6f9f", "#8a98a5"
SHOWN_VALUES = 12
BINS = 30
# Beyond it, the difference of two values may be infinite.
LARGEST_DRAWN = 1e300
_STYLE = {
    # A column may be named `$x$`.
    "text.parse_math": False,
    "svg.hashsalt": "report",
    "svg.fonttype": "path",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def render(**values: object) -> str:
    """The report; `values` are what `templates/report.html` shows."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_shown
    )
    template = (resources.files("validation") / "templates" / "report.html").read_text()
    return environment.from_string(template).render(values)


def _shown(value: object) -> object:
    """What a name may hold that a browser would act on, or nobody should read."""
    return safe(value) if isinstance(value, str) else value


def bars(counts: Mapping[str, float], *, label: str, color: str = BAD) -> str:
    """Horizontal bars, the longest first, as the address of a picture."""
    ordered = sorted(counts.items(), key=lambda item: item[1])
    with mpl.rc_context(cast("Any", _STYLE)):
        figure = Figure(figsize=(8.5, 0.7 + 0.24 * len(ordered)), layout="constrained")
        axes = figure.subplots()
        drawn = axes.barh(range(len(ordered)), [value for _, value in ordered], color=color)
        axes.bar_label(drawn, fmt="{:,.4g}", padding=3)
        axes.set_yticks(range(len(ordered)), [_short(name, 60) for name, _ in ordered])
        axes.set_xlabel(label)
        axes.margins(x=0.12, y=0.01)
        return _picture(figure)


def missing_map(segments: npt.NDArray[np.float64], columns: Sequence[str], rows: int) -> str:
    """The share of missing values by column and stretch of rows."""
    with mpl.rc_context(cast("Any", _STYLE)):
        figure = Figure(figsize=(8.5, 0.9 + 0.22 * len(columns)), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(
            segments.T * 100,
            aspect="auto",
            interpolation="nearest",
            cmap="Reds",
            vmin=0,
            vmax=100,
            extent=(1, max(rows, 2), len(columns) - 0.5, -0.5),
        )
        axes.set_yticks(range(len(columns)), [_short(name, 40) for name in columns])
        axes.set_xlabel("row")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        figure.colorbar(image, ax=axes, label="missing, %", fraction=0.03)
        return _picture(figure)


def numeric(values: pd.Series[Any]) -> bool:
    """Whether a column is drawn, and compared, as numbers and not as so many names."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def distributions(parts: Mapping[str, tuple[pd.Series[Any], str]], *, title: str) -> str:
    """One column's values, of each part its share: a histogram, or the most frequent values."""
    all_numeric = all(numeric(values) for values, _ in parts.values())
    parts = {_with_missing(name, part[0]): part for name, part in parts.items()}
    with mpl.rc_context(cast("Any", _STYLE)):
        figure = Figure(figsize=(4.2, 2.5), layout="constrained")
        axes = figure.subplots()
        (_histogram if all_numeric else _frequencies)(axes, parts)
        axes.set_title(_short(title, 45), loc="left", fontweight="bold")
        axes.set_ylabel("share of rows, %")
        axes.legend(frameon=False, fontsize=8)
        return _picture(figure)


def _with_missing(name: str, values: pd.Series[Any]) -> str:
    missing = values.isna().mean()
    return f"{name} ({missing:.0%} missing)" if missing else name


def _histogram(axes: Any, parts: Mapping[str, tuple[pd.Series[Any], str]]) -> None:
    numbers = {name: _finite(values) for name, (values, _) in parts.items()}
    edges = _bin_edges(np.concatenate(list(numbers.values())))
    if edges is None:
        _frequencies(axes, parts)
        return
    for name, (_, color) in parts.items():
        weights = np.full(len(numbers[name]), 100 / max(len(numbers[name]), 1))
        axes.hist(numbers[name], edges, weights=weights, color=color, alpha=0.6, label=name)


def _bin_edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """The edges of the bars, None where floats cannot divide the range into that many."""
    if not len(values):
        return np.array([0.0, 1.0])
    # An axis is wider than its values, and so is a bar around a single one.
    if np.abs(values).max() > LARGEST_DRAWN:
        return None
    try:
        return np.histogram_bin_edges(values, bins=BINS)
    except ValueError:
        return None


def _frequencies(axes: Any, parts: Mapping[str, tuple[pd.Series[Any], str]]) -> None:
    shares = pd.DataFrame(
        {
            name: values.astype("object")
            .where(values.notna(), "(missing)")
            .astype("str")
            .value_counts(normalize=True)
            for name, (values, _) in parts.items()
        }
    ).fillna(0.0)
    shown = shares.loc[shares.max(axis=1).nlargest(SHOWN_VALUES).index] * 100
    width = 0.8 / len(parts)
    for place, (name, (_, color)) in enumerate(parts.items()):
        axes.bar(np.arange(len(shown)) + place * width, shown[name], width, color=color, label=name)
    labels = [_short(str(value), 14) for value in shown.index]
    axes.set_xticks(np.arange(len(shown)) + 0.4 - width / 2, labels, rotation=45, ha="right")


def _finite(values: pd.Series[Any]) -> npt.NDArray[np.float64]:
    numbers: Any = values.astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
    finite: npt.NDArray[np.float64] = numbers[np.isfinite(numbers)]
    return finite


def _short(text: str, length: int) -> str:
    printable = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return printable if len(printable) <= length else f"{printable[: length - 1]}…"


def _picture(figure: Figure) -> str:
    content = io.BytesIO()
    with warnings.catch_warnings():
        # The font may lack a letter of somebody's column.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(content, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(content.getvalue()).decode()
