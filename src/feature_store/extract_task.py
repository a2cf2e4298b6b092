"""The body of the task `feature_store.extract`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pandas as pd

from cli.errors import InputError
from cli.task import TaskContext
from cli.terminal import show_table, with_progress
from data_access_layer.commit.destination import Origin
from data_access_layer.open import open_destination
from data_access_layer.settings import StoreSettings
from data_access_layer.tables.stored_table import plain_batches
from feature_store.checks import dtypes_of
from feature_store.settings import ExtractSettings
from feature_store.view import FeatureView


def find_view(name: str) -> type[FeatureView]:
    """Import the view of the module `feature_store.views.NAME`."""
    module = import_module(f"feature_store.views.{name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, FeatureView)
        and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise InputError(f"{module.__file__}: expected one FeatureView class, got {len(found)}.")
    return found[0]


def extract(name: str, settings: ExtractSettings, context: TaskContext) -> None:
    """Write the selected rows of a view with a manifest, and print a summary."""
    if not settings.dst:
        raise InputError("No destination: set --dst FILE, which ends in .parquet or .csv.")
    view = find_view(name)
    columns = _columns(settings.columns, view)
    view.select(*columns)  # raises if the view does not have a column
    destination = open_destination(settings.dst, context, option="--dst")
    destination.check(None)
    batches = view.batches(
        columns=columns,
        filter=settings.filter or None,
        as_of=settings.as_of or None,
        settings=context.load(StoreSettings),
        batch_rows=settings.batch_rows,
    )
    rows = _ensure_batch(batches, view, columns, f"extracting {name}")
    manifest = destination.replace(
        plain_batches(rows, name=settings.dst),
        Origin(
            source=f"{view.__name__} on the table {view.source().table}",
            created_by="feature_store.extract",
            filter=settings.filter,
            as_of=settings.as_of,
        ),
    )
    show_table(
        f"View {name}",
        ["", ""],
        [
            ("rows", f"{manifest.rows:,}"),
            ("columns", ", ".join(columns)),
            ("as of", settings.as_of or "all rows"),
            ("filter", settings.filter or "none"),
            ("written to", destination.location),
        ],
    )


def _ensure_batch(
    batches: Iterator[pd.DataFrame], view: type[FeatureView], columns: list[str], what: str
) -> Iterator[pd.DataFrame]:
    """Yield the batches, or one without rows if there are none, which defines the columns."""
    empty = True
    for batch in with_progress(((len(batch), batch) for batch in batches), None, what=what):
        empty = False
        yield batch
    if empty:
        dtypes: Mapping[str, Any] = dtypes_of(view.to_schema().select_columns(columns))
        yield pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes.items()})


def _columns(given: str, view: type[FeatureView]) -> list[str]:
    if not given:
        return list(view.to_schema().columns)
    return [name.strip() for name in given.split(",") if name.strip()]
