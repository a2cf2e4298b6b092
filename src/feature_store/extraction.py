"""What the task `feature_store.extract` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import pandas as pd

from config.errors import InputError
from config.terminal import show_table, with_progress
from data_access_layer.commit.manifest import Manifest
from data_access_layer.commit.staged_table import staged_table
from data_access_layer.files import FilePath, file_sha256, format_of, manifest_path
from data_access_layer.locations import is_database
from data_access_layer.open import destination_file
from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_location
from data_access_layer.table import plain_batches
from data_access_layer.writer import TableWriter
from feature_store.checks import dtypes_of
from feature_store.settings import ExtractSettings
from feature_store.view import FeatureView


def find_view(name: str) -> type[FeatureView]:
    """The view that the module `feature_store.views.NAME` holds."""
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


def extract(name: str, settings: ExtractSettings, stores: StoreSettings) -> None:
    """Write the rows of a view that are asked for, then a manifest, and show a summary."""
    if not settings.dst:
        raise InputError("Say where to write: --dst FILE, which ends in .parquet or .csv.")
    view = find_view(name)
    columns = _columns(settings.columns, view)
    view.select(*columns)  # refuses what the view does not have
    written = _Written(view, columns)
    batches = view.batches(
        columns=columns,
        filter=settings.filter or None,
        as_of=settings.as_of or None,
        settings=stores,
        batch_rows=settings.batch_rows,
    )
    rows = written.counted(batches, f"extracting {name}")
    manifest = _write(settings, stores, rows, written)
    show_table(
        f"View {name}",
        ["", ""],
        [
            ("rows", f"{written.rows:,}"),
            ("columns", ", ".join(columns)),
            ("known at", settings.as_of or "any time: every row as it arrived"),
            ("filter", settings.filter or "none"),
            ("written", settings.dst),
            ("manifest", str(manifest) if manifest else "none: the destination is a database"),
        ],
    )


class _Written:
    """Counts the rows that go by."""

    def __init__(self, view: type[FeatureView], columns: list[str]) -> None:
        self.view = view
        schema = view.to_schema().select_columns(columns)
        self.dtypes: Mapping[str, Any] = dtypes_of(schema)
        self.rows = 0

    def counted(self, batches: Iterator[pd.DataFrame], what: str) -> Iterator[pd.DataFrame]:
        """The batches; one without rows where there is none, so that the columns are known."""
        empty = True
        for batch in with_progress(((len(batch), batch) for batch in batches), None, what=what):
            empty = False
            self.rows += len(batch)
            yield batch
        if empty:
            none: dict[str, Any] = {n: pd.Series(dtype=kind) for n, kind in self.dtypes.items()}
            yield pd.DataFrame(none)


def _columns(given: str, view: type[FeatureView]) -> list[str]:
    if not given:
        return list(view.to_schema().columns)
    return [name.strip() for name in given.split(",") if name.strip()]


def _write(
    settings: ExtractSettings,
    stores: StoreSettings,
    rows: Iterator[pd.DataFrame],
    written: _Written,
) -> FilePath | None:
    """Write the rows; where the manifest is, None where the destination is a database."""
    if is_database(settings.dst):
        open_location(settings.dst, stores).write(rows)
        return None
    path = destination_file(settings.dst, lambda _: stores, option="--dst")
    format = format_of(path)
    with staged_table(path, option="--dst") as table:
        with TableWriter(str(table.path), format=format) as writer:
            for batch in plain_batches(rows, name=settings.dst)[1]:
                writer.write_batch(batch)
        table.manifest = Manifest(
            rows=written.rows,
            columns={name: str(dtype) for name, dtype in written.dtypes.items()},
            sha256=file_sha256(table.path),
            source=f"{written.view.__name__} on the table {written.view.source().table}",
            filter=settings.filter,
            as_of=settings.as_of,
        )
    return manifest_path(path)
