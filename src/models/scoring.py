"""Prediction: read batches, check, predict, check, write; one batch in memory at a time."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from pandera.errors import SchemaErrors
from sklearn.pipeline import Pipeline

from config.errors import InputError, UserError
from config.terminal import say, show_table, with_progress
from config.tracking import TrackingSettings
from data_access_layer.atomic import staged
from data_access_layer.files import (
    FORMATS,
    MANIFEST_SUFFIX,
    STANDARD_STREAM,
    file_sha256,
    format_of,
    manifest_path,
    standard_input_file,
    table_files,
)
from data_access_layer.reader import Batch, FrameTable, Table, TableFile, prefetched
from data_access_layer.writer import TableWriter
from data_exports.manifest import Manifest
from data_exports.staged_table import staged_table
from models.compatibility import git_commit
from models.definition import ModelDefinition
from models.loading import NoChampionError, load_model
from models.settings import PredictSettings, TrainSettings
from models.tracking import Registry
from models.training import train
from validation.contract import FailureCollector, contract_dtypes

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from pandera.typing import DataFrame

    from config.task import LoadSettings

DEFAULT_OUTPUT = "predictions/{model}.parquet"
WRITTEN = ("parquet", "csv")


@dataclass
class Numbers:
    """What predicted numbers come to."""

    count: int = 0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf

    def add(self, values: pd.Series[Any]) -> None:
        """Count some more."""
        self.count += len(values)
        self.total += float(values.sum())
        self.least = min(self.least, float(values.min()))
        self.most = max(self.most, float(values.max()))

    def summary(self) -> list[tuple[str, str]]:
        """Mean, least and most."""
        facts = {"mean": self.total / self.count, "least": self.least, "most": self.most}
        return [(name, f"{value:,.4g}") for name, value in facts.items()]


@dataclass
class Scorer:
    """Predicts tables with one version of a model, and counts what it predicted."""

    definition: ModelDefinition
    version: ModelVersion
    model: Pipeline
    batch_rows: int
    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    numbers: Numbers = field(default_factory=Numbers)

    def write(self, tables: Sequence[Table], path: Path, destination: Path) -> Manifest:
        """Predict `tables` into one file at `path`, which is to become `destination`."""
        before = self.rows
        frame = pd.DataFrame()
        counts = [table.row_count() for table in tables]
        total = None if None in counts else sum(count or 0 for count in counts)
        # Three threads at most: one reads and checks, one predicts, this one writes.
        with (
            closing(prefetched(self._scored(prefetched(self._checked(tables))))) as scored,
            TableWriter(str(path), format=format_of(destination)) as writer,
        ):
            for frame in with_progress(scored, total, what="predicting"):
                writer.write(frame)
                self._count(frame)
        return Manifest(
            rows=self.rows - before,
            columns={str(name): str(dtype) for name, dtype in frame.dtypes.items()},
            sha256=file_sha256(path),
            source=", ".join(table.name for table in tables),
            model=self.version.name,
            model_version=str(self.version.version),
            git_commit=git_commit(),
        )

    def _batches(self, tables: Sequence[Table]) -> Iterator[Batch]:
        """One after another; a table whose further columns differ from the first's is refused."""
        # What the first one has, and not the batch itself, which would stay in memory to the end.
        expected: tuple[str, dict[str, str]] | None = None
        for table in tables:
            for number, batch in enumerate(table.batches(self.batch_rows)):
                if number == 0:
                    given = (batch.source, self._further(batch))
                    expected = expected or given
                    _check_same(given, expected)
                yield batch

    def _further(self, batch: Batch) -> dict[str, str]:
        columns = self.definition.input_columns()
        return {
            str(name): str(dtype)
            for name, dtype in batch.frame.dtypes.items()
            if name not in columns
        }

    def _checked(self, tables: Sequence[Table]) -> Iterator[pd.DataFrame]:
        """Yield what keeps the input contract; at the end, raise what all other batches break."""
        failures = FailureCollector()
        for batch in self._batches(tables):
            try:
                rows = self.definition.input_contract.validate(batch.frame, lazy=True)
            except SchemaErrors as errors:
                failures.add(errors, batch.frame, source=batch.source, first_row=batch.first_row)
            # After a failure the rest is only checked, so that the message can count all rows.
            if not failures:
                yield rows
        if failures:
            raise failures.error()

    def _scored(self, batches: Generator[pd.DataFrame]) -> Generator[tuple[int, pd.DataFrame]]:
        with closing(batches):
            for rows in batches:
                yield len(rows), self._predicted(rows)

    def _predicted(self, rows: pd.DataFrame) -> pd.DataFrame:
        columns = self.definition.input_columns()
        try:
            predictions = self.definition.predict(self.model, cast("DataFrame[Any]", rows[columns]))
        except SchemaErrors as errors:
            failures = FailureCollector()
            failures.add(errors, rows, source=f"{self.version.name}'s predictions", first_row=1)
            raise UserError(f"{failures.error()} The model is at fault, not the input.") from errors
        kept = rows.drop(columns=columns)
        clashing = {name: f"{name}_input" for name in kept if name in predictions}
        return pd.concat([kept.rename(columns=clashing), predictions], axis=1)

    def _count(self, frame: pd.DataFrame) -> None:
        self.rows += len(frame)
        target = frame[self.definition.target]
        if isinstance(target.dtype, pd.CategoricalDtype):
            self.classes.update({str(k): int(v) for k, v in target.value_counts().items()})
        else:
            self.numbers.add(target)

    def summary(self) -> list[tuple[str, str]]:
        """What was predicted, in lines of a name and a value."""
        if self.definition.kind == "regression":
            return self.numbers.summary()
        return [(name, f"{count:,}") for name, count in sorted(self.classes.items())]


def predict(
    definition: ModelDefinition, settings: PredictSettings, load_settings: LoadSettings
) -> None:
    """Predict a table, write it whole or not at all, and show a summary.

    Raises:
        InputError: the input cannot be read or breaks its contract, or the output cannot be there.
        UserError: there is no model to use, or it was made with other code, or the disk is full.
    """
    started = time.monotonic()
    output = settings.output or DEFAULT_OUTPUT.format(model=definition.name)
    with ExitStack() as stack:
        tables = _input_tables(definition, settings.input, load_settings, stack)
        _check_output(output)
        version, model = _model(definition, settings, load_settings)
        scorer = Scorer(definition, version, model, settings.batch_rows)
        if output == STANDARD_STREAM:
            _write_standard_output(scorer, tables)
        elif _is_folder(output):
            _write_folder(scorer, tables, Path(output))
        else:
            _write_file(scorer, tables, Path(output))
    _show(scorer, output, time.monotonic() - started)


def _input_tables(
    definition: ModelDefinition,
    location: str | None,
    load_settings: LoadSettings,
    stack: ExitStack,
) -> Sequence[Table]:
    if location is None:
        return [FrameTable(_own_input(definition, load_settings), f"{definition.name} sample data")]
    dtypes = contract_dtypes(definition.input_contract)
    if location == STANDARD_STREAM:
        return [TableFile(stack.enter_context(standard_input_file()), dtypes, "standard input")]
    return [TableFile(file, dtypes, str(file)) for file in table_files(Path(location))]


def _own_input(definition: ModelDefinition, load_settings: LoadSettings) -> pd.DataFrame:
    if definition.load_input:
        return definition.load_input(load_settings)
    return definition.load_labelled(load_settings)[definition.input_columns()]


def _model(
    definition: ModelDefinition, settings: PredictSettings, load_settings: LoadSettings
) -> tuple[ModelVersion, Pipeline]:
    registry = Registry.connect(load_settings(TrackingSettings))

    def load() -> tuple[ModelVersion, Pipeline]:
        return load_model(
            definition,
            registry,
            number=settings.version,
            allow_mismatch=settings.allow_mismatch,
        )

    try:
        return load()
    except NoChampionError:
        if not settings.train_if_missing:
            raise
        say(f"{definition.name} has no champion yet: training one first.")
        train(definition, load_settings(TrainSettings), registry, load_settings=load_settings)
        return load()


def _check_same(given: tuple[str, dict[str, str]], expected: tuple[str, dict[str, str]]) -> None:
    (source, columns), (first, wanted) = given, expected
    for name in sorted({*wanted, *columns}):
        here, there = columns.get(name, "missing"), wanted.get(name, "missing")
        if here != there:
            raise InputError(
                f"{source}: column {name!r}: {here}, but {there} in {first}, and one "
                "file takes one set of columns. Make them the same, or let --output be a folder."
            )


def _is_folder(output: str) -> bool:
    return Path(output).suffix.lower() not in FORMATS


def _check_output(output: str) -> None:
    """Refuse early what could only fail after all the work."""
    if output == STANDARD_STREAM:
        return
    path = Path(output)
    if not _is_folder(output):
        if format_of(path) not in WRITTEN:
            raise InputError(
                f"{path}: predictions are written as Parquet or CSV. Choose one of them, and "
                "export it: ./pants run src/data_exports:export -- --help"
            )
        if path.is_dir():
            raise InputError(f"{path}: is a folder; --output names a file by its ending.")
        return
    if path.exists() and not path.is_dir():
        raise InputError(
            f"{path}: is no folder, and its ending is none of {', '.join(FORMATS)}. "
            "Give --output one of these endings, or the name of a folder."
        )
    foreign = [
        entry
        for entry in (path.iterdir() if path.exists() else ())
        if not (entry.name.endswith(MANIFEST_SUFFIX) or manifest_path(entry).exists())
    ]
    if foreign:
        raise InputError(
            f"{path}: the folder would be replaced, and holds {foreign[0].name}, which no "
            "prediction wrote. Choose another --output."
        )


def _write_file(scorer: Scorer, tables: Sequence[Table], destination: Path) -> None:
    with staged_table(destination) as table:
        table.manifest = scorer.write(tables, table.path, destination)


def _write_folder(scorer: Scorer, tables: Sequence[Table], destination: Path) -> None:
    names = [Path(table.name).stem for table in tables]
    if len(set(names)) < len(names):
        names = [Path(table.name).name for table in tables]
    with staged(destination) as folder:
        folder.mkdir()
        for table, name in zip(tables, names, strict=True):
            part = folder / f"{name}.parquet"
            scorer.write([table], part, part).write(manifest_path(part))


def _write_standard_output(scorer: Scorer, tables: Sequence[Table]) -> None:
    """As CSV, after the last row is checked: a pipe gets all rows or none."""
    with tempfile.TemporaryDirectory(prefix="predictions-") as folder:
        part = Path(folder) / "standard-output.csv"
        scorer.write(tables, part, part)
        with part.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        sys.stdout.flush()


def _show(scorer: Scorer, output: str, seconds: float) -> None:
    facts = [
        ("rows", f"{scorer.rows:,}"),
        *((f"  {name}", value) for name, value in scorer.summary()),
        ("seconds", f"{seconds:.1f}"),
        ("model version", f"{scorer.version.name} {scorer.version.version}"),
        ("output", "standard output" if output == STANDARD_STREAM else output),
    ]
    show_table(
        f"{scorer.version.name}: predicted",
        ["", ""],
        facts,
        stderr=output == STANDARD_STREAM,
    )
