"""Render reports as one self-contained HTML file, without scripts.

Names and values come from untrusted tables, so all text is escaped. Pictures are embedded as
images, which cannot run scripts.
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
# The difference of larger values may be infinite.
LARGEST_DRAWN = 1e300
_STYLE = {
    # A column name such as `$x$` is not a formula.
    "text.parse_math": False,
    "svg.hashsalt": "report",
    "svg.fonttype": "path",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def render(**values: object) -> str:
    """Render the report; `values` are the variables of `templates/report.html`."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, finalize=_make_safe
    )
    template = (resources.files("validation") / "templates" / "report.html").read_text()
    return environment.from_string(template).render(values)


def _make_safe(value: object) -> object:
    """Remove secrets and control characters."""
    return safe(value) if isinstance(value, str) else value


def draw_bars(counts: Mapping[str, float], *, label: str, color: str = BAD) -> str:
    """Draw horizontal bars, the longest at the top, as a data URL."""
    ordered = sorted(counts.items(), key=lambda item: item[1])
    with mpl.rc_context(cast("Any", _STYLE)):
        figure = Figure(figsize=(8.5, 0.7 + 0.24 * len(ordered)), layout="constrained")
        axes = figure.subplots()
        drawn = axes.barh(range(len(ordered)), [value for _, value in ordered], color=color)
        axes.bar_label(drawn, fmt="{:,.4g}", padding=3)
        axes.set_yticks(range(len(ordered)), [_shorten(name, 60) for name, _ in ordered])
        axes.set_xlabel(label)
        axes.margins(x=0.12, y=0.01)
        return _encode_picture(figure)


def draw_missing_map(segments: npt.NDArray[np.float64], columns: Sequence[str], rows: int) -> str:
    """Draw the share of missing values by column and segment of rows, as a data URL."""
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
        axes.set_yticks(range(len(columns)), [_shorten(name, 40) for name in columns])
        axes.set_xlabel("row")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        figure.colorbar(image, ax=axes, label="missing, %", fraction=0.03)
        return _encode_picture(figure)


def is_numeric(values: pd.Series[Any]) -> bool:
    """Whether a column is drawn and compared as numbers, and not as categories."""
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def draw_distributions(samples: Mapping[str, tuple[pd.Series[Any], str]], *, title: str) -> str:
    """Draw a column's histogram, or its most frequent values, by sample, as a data URL."""
    all_numeric = all(is_numeric(values) for values, _ in samples.values())
    samples = {_label_missing(name, sample[0]): sample for name, sample in samples.items()}
    with mpl.rc_context(cast("Any", _STYLE)):
        figure = Figure(figsize=(4.2, 2.5), layout="constrained")
        axes = figure.subplots()
        (_draw_histogram if all_numeric else _draw_frequencies)(axes, samples)
        axes.set_title(_shorten(title, 45), loc="left", fontweight="bold")
        axes.set_ylabel("share of rows, %")
        axes.legend(frameon=False, fontsize=8)
        return _encode_picture(figure)


def _label_missing(name: str, values: pd.Series[Any]) -> str:
    missing = values.isna().mean()
    return f"{name} ({missing:.0%} missing)" if missing else name


def _draw_histogram(axes: Any, samples: Mapping[str, tuple[pd.Series[Any], str]]) -> None:
    numbers = {name: _finite_numbers(values) for name, (values, _) in samples.items()}
    edges = _bin_edges(np.concatenate(list(numbers.values())))
    if edges is None:
        _draw_frequencies(axes, samples)
        return
    for name, (_, color) in samples.items():
        weights = np.full(len(numbers[name]), 100 / max(len(numbers[name]), 1))
        axes.hist(numbers[name], edges, weights=weights, color=color, alpha=0.6, label=name)


def _bin_edges(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """The edges of the bins, or None if floats cannot divide the range."""
    if not len(values):
        return np.array([0.0, 1.0])
    # An axis is wider than its values, so it would overflow first.
    if np.abs(values).max() > LARGEST_DRAWN:
        return None
    try:
        return np.histogram_bin_edges(values, bins=BINS)
    except ValueError:
        return None


def _draw_frequencies(axes: Any, samples: Mapping[str, tuple[pd.Series[Any], str]]) -> None:
    shares = pd.DataFrame(
        {
            name: values.astype("object")
            .where(values.notna(), "(missing)")
            .astype("str")
            .value_counts(normalize=True)
            for name, (values, _) in samples.items()
        }
    ).fillna(0.0)
    shown = shares.loc[shares.max(axis=1).nlargest(SHOWN_VALUES).index] * 100
    width = 0.8 / len(samples)
    for number, (name, (_, color)) in enumerate(samples.items()):
        axes.bar(
            np.arange(len(shown)) + number * width, shown[name], width, color=color, label=name
        )
    labels = [_shorten(str(value), 14) for value in shown.index]
    axes.set_xticks(np.arange(len(shown)) + 0.4 - width / 2, labels, rotation=45, ha="right")


def _finite_numbers(values: pd.Series[Any]) -> npt.NDArray[np.float64]:
    numbers: Any = values.astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
    finite: npt.NDArray[np.float64] = numbers[np.isfinite(numbers)]
    return finite


def _shorten(text: str, length: int) -> str:
    printable = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return printable if len(printable) <= length else f"{printable[: length - 1]}…"


def _encode_picture(figure: Figure) -> str:
    content = io.BytesIO()
    with warnings.catch_warnings():
        # The font may not have every character of a column name.
        warnings.simplefilter("ignore", UserWarning)
        figure.savefig(content, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(content.getvalue()).decode()
