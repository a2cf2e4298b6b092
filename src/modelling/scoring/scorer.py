"""Predict a table batch by batch: read, validate, predict, validate, write.

Only one batch is in memory. `engines` decides where this runs.
"""

from __future__ import annotations

import math
import uuid
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from pandera.errors import SchemaErrors
from sklearn.pipeline import Pipeline

from cli.errors import UserError
from cli.terminal import with_progress
from data_access_layer.commit.destination import Origin
from data_access_layer.commit.manifest import Manifest
from data_access_layer.formats.writer import TableWriter, as_batches
from data_access_layer.reader import NoRowsError, RecordBatch, Table, rename_conflicts
from data_access_layer.tables.written_file import write_file
from data_access_layer.threads import map_in_threads, prefetch
from datasets.checks import ContractError, FailureCollector, broken_rules
from modelling.definition import ModelDefinition
from modelling.registry.compatibility import git_commit

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from pandera.typing import DataFrame

# Subfolder for files that are still being written; a killed worker leaves its file there.
ATTEMPTS = ".attempts"


@dataclass
class NumberStatistics:
    """Count, mean, minimum and maximum of predicted numbers."""

    count: int = 0
    total: float = 0.0
    minimum: float = math.inf
    maximum: float = -math.inf

    def add(self, values: pd.Series[Any]) -> None:
        """Add more values."""
        self.count += len(values)
        self.total += float(values.sum())
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))

    def merge(self, other: NumberStatistics) -> None:
        """Add the stats of other values."""
        self.count += other.count
        self.total += other.total
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)

    def summary(self) -> list[tuple[str, str]]:
        """Mean, minimum and maximum, as pairs of a name and a value."""
        facts = {"mean": self.total / self.count, "min": self.minimum, "max": self.maximum}
        return [(name, f"{value:,.4g}") for name, value in facts.items()]


@dataclass
class PredictionStatistics:
    """How many rows were predicted as what, and which rules of the contract rows break.

    `formulas` counts, for CSV output, the strings that a spreadsheet would run, by column.
    """

    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    numbers: NumberStatistics = field(default_factory=NumberStatistics)
    failures: FailureCollector = field(default_factory=FailureCollector)
    formulas: Counter[str] = field(default_factory=Counter)

    def add(self, target: pd.Series[Any]) -> None:
        """Add more predictions."""
        self.rows += len(target)
        if isinstance(target.dtype, pd.CategoricalDtype):
            self.classes.update({str(k): int(v) for k, v in target.value_counts().items()})
        else:
            self.numbers.add(target)

    def merge(self, other: PredictionStatistics) -> None:
        """Add the stats of other tables."""
        self.rows += other.rows
        self.classes.update(other.classes)
        self.numbers.merge(other.numbers)
        self.failures.merge(other.failures)
        self.formulas.update(other.formulas)

    def summary(self) -> list[tuple[str, str]]:
        """The predictions, as pairs of a name and a value."""
        if self.numbers.count:
            return self.numbers.summary()
        return [(name, f"{count:,}") for name, count in sorted(self.classes.items())]


@dataclass(frozen=True)
class PartFile:
    """A table, and the file of the output folder for its predictions."""

    table: Table
    path: Path


@dataclass(frozen=True)
class Outcome:
    """The result of a part file: its manifest, or the failures in its stats.

    A table without rows has neither.
    """

    part: PartFile
    stats: PredictionStatistics
    manifest: Manifest | None = None


@dataclass(frozen=True)
class Scorer:
    """Predicts tables with one version of a model."""

    definition: ModelDefinition
    version: ModelVersion
    model: Pipeline
    batch_rows: int
    jobs: int = 1
    shows_progress: bool = True

    def score(self, part: PartFile, *, only_check: bool = False) -> Outcome:
        """Predict a part file, or only validate its table.

        The file is written under a unique name and renamed when it is complete. If two workers
        predict the same table, one of two equal files remains.
        """
        stats = PredictionStatistics()
        attempt = part.path.parent / ATTEMPTS / f"{uuid.uuid4().hex}{part.path.suffix}"
        try:
            if only_check:
                for _ in self._validate(part.table, stats):
                    pass
                return Outcome(part, stats)
            with closing(self.batches(part.table, stats)) as batches:
                writer = TableWriter(str(attempt), format="parquet")
                origin = self.origin(part.table)
                manifest = write_file(attempt, writer, batches, origin)
        except (ContractError, NoRowsError):
            return Outcome(part, stats)
        attempt.replace(part.path)
        return Outcome(part, stats, manifest)

    def batches(self, table: Table, stats: PredictionStatistics) -> Generator[RecordBatch]:
        """Predict a table, with progress, and count its rows in `stats`.

        Raises:
            ContractError: rows break the input contract; `stats` has all of them.
        """
        # One thread reads and validates, `jobs` threads predict, the caller's thread writes.
        with closing(
            prefetch(self._predict_batches(prefetch(self._validate(table, stats))))
        ) as scored:
            frames = (
                with_progress(scored, table.row_count(), what="predicting")
                if self.shows_progress
                else (frame for _, frame in scored)
            )
            yield from as_batches(self._count(frames, stats))

    def origin(self, table: Table) -> Origin:
        """The origin of a table's predictions, for their manifest."""
        return Origin(
            source=table.name,
            model=self.version.name,
            model_version=str(self.version.version),
            git_commit=git_commit(),
        )

    def _count(
        self, frames: Iterable[pd.DataFrame], stats: PredictionStatistics
    ) -> Iterator[pd.DataFrame]:
        for frame in frames:
            stats.add(frame[self.definition.target])
            yield frame

    def _validate(self, table: Table, stats: PredictionStatistics) -> Iterator[pd.DataFrame]:
        """Yield valid batches; after the last batch, raise the failures of all others."""
        failures = stats.failures
        for batch in table.batches(self.batch_rows):
            rows = failures.check(
                self.definition.input_contract,
                batch.frame,
                source=batch.source,
                first_row=batch.first_row,
            )
            # After a failure, only validate the rest, so that the message counts all rows.
            if rows is not None and not failures:
                yield rows
        if failures:
            raise failures.error()

    def _predict_batches(
        self, batches: Generator[pd.DataFrame]
    ) -> Generator[tuple[int, pd.DataFrame]]:
        with closing(batches):
            yield from map_in_threads(self._predict, batches, self.jobs)

    def _predict(self, rows: pd.DataFrame) -> tuple[int, pd.DataFrame]:
        columns = self.definition.input_columns()
        try:
            predictions = self.definition.predict(self.model, cast("DataFrame[Any]", rows[columns]))
        except SchemaErrors as errors:
            failures = FailureCollector()
            source = f"{self.version.name}'s predictions"
            failures.add_rules(broken_rules(errors, rows), source=source, first_row=1)
            raise UserError(
                f"{failures.error()} The cause is the model, not the input."
            ) from errors
        kept = rename_conflicts(
            rows.drop(columns=columns), map(str, predictions.columns), ending="_input"
        )
        return len(rows), pd.concat([kept, predictions], axis=1)
