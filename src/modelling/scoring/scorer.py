"""Prediction of tables: read a batch, check, predict, check, write; one batch in memory at a time.

Where that runs, and of which tables, is for others to say.
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
from data_access_layer.reader import NoRowsError, RecordBatch, Table, renamed_apart
from data_access_layer.tables.written_file import write_file
from data_access_layer.threads import mapped, prefetched
from datasets.checks import ContractError, FailureCollector, broken_rules
from modelling.definition import ModelDefinition
from modelling.registry.compatibility import git_commit

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from pandera.typing import DataFrame

# Below a folder of parts: what is being written. A worker that is killed leaves it there.
ATTEMPTS = ".attempts"


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

    def merge(self, other: Numbers) -> None:
        """Add what another one counted."""
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    def summary(self) -> list[tuple[str, str]]:
        """Mean, least and most."""
        facts = {"mean": self.total / self.count, "least": self.least, "most": self.most}
        return [(name, f"{value:,.4g}") for name, value in facts.items()]


@dataclass
class Tally:
    """What became of rows: how many, predicted as what, and the rules of the contract broken.

    Of CSV, `formulas` counts the texts that a spreadsheet would run, by their columns.
    """

    rows: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    numbers: Numbers = field(default_factory=Numbers)
    failures: FailureCollector = field(default_factory=FailureCollector)
    formulas: Counter[str] = field(default_factory=Counter)

    def add(self, target: pd.Series[Any]) -> None:
        """Count some more predictions."""
        self.rows += len(target)
        if isinstance(target.dtype, pd.CategoricalDtype):
            self.classes.update({str(k): int(v) for k, v in target.value_counts().items()})
        else:
            self.numbers.add(target)

    def merge(self, other: Tally) -> None:
        """Add what another one counted, of other tables."""
        self.rows += other.rows
        self.classes.update(other.classes)
        self.numbers.merge(other.numbers)
        self.failures.merge(other.failures)
        self.formulas.update(other.formulas)

    def summary(self) -> list[tuple[str, str]]:
        """What was predicted, in lines of a name and a value."""
        if self.numbers.count:
            return self.numbers.summary()
        return [(name, f"{count:,}") for name, count in sorted(self.classes.items())]


@dataclass(frozen=True)
class Part:
    """A table, and the file in a folder of parts that its predictions become."""

    table: Table
    path: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a part: a file with this manifest, or the failures that the tally holds.

    A part without rows has neither.
    """

    part: Part
    tally: Tally
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

    def score(self, part: Part, *, only_check: bool = False) -> Outcome:
        """Predict a part, or only see whether it keeps the contract.

        The file appears whole, and under a name of its own until then: of a part that is predicted
        twice at the same time, one of two equal files stays.
        """
        tally = Tally()
        attempt = part.path.parent / ATTEMPTS / f"{uuid.uuid4().hex}{part.path.suffix}"
        try:
            if only_check:
                for _ in self._checked(part.table, tally):
                    pass
                return Outcome(part, tally)
            with closing(self.batches(part.table, tally)) as batches:
                writer = TableWriter(str(attempt), format="parquet")
                origin = self.origin(part.table)
                manifest = write_file(attempt, writer, batches, origin)
        except (ContractError, NoRowsError):
            return Outcome(part, tally)
        attempt.replace(part.path)
        return Outcome(part, tally, manifest)

    def batches(self, table: Table, tally: Tally) -> Generator[RecordBatch]:
        """Predict a table, with progress; `tally` counts what became of its rows.

        Raises:
            ContractError: rows break the input contract; `tally` has all that do.
        """
        # One thread reads and checks, `jobs` predict, the caller's writes.
        with closing(prefetched(self._scored(prefetched(self._checked(table, tally))))) as scored:
            frames = (
                with_progress(scored, table.row_count(), what="predicting")
                if self.shows_progress
                else (frame for _, frame in scored)
            )
            yield from as_batches(self._tallied(frames, tally))

    def origin(self, table: Table) -> Origin:
        """What a manifest says of the predictions of a table."""
        return Origin(
            source=table.name,
            model=self.version.name,
            model_version=str(self.version.version),
            git_commit=git_commit(),
        )

    def _tallied(self, frames: Iterable[pd.DataFrame], tally: Tally) -> Iterator[pd.DataFrame]:
        for frame in frames:
            tally.add(frame[self.definition.target])
            yield frame

    def _checked(self, table: Table, tally: Tally) -> Iterator[pd.DataFrame]:
        """Yield what keeps the input contract; at the end, raise what all other batches break."""
        failures = tally.failures
        for batch in table.batches(self.batch_rows):
            rows = failures.check(
                self.definition.input_contract,
                batch.frame,
                source=batch.source,
                first_row=batch.first_row,
            )
            # After a failure the rest is only checked, so that the message can count all rows.
            if rows is not None and not failures:
                yield rows
        if failures:
            raise failures.error()

    def _scored(self, batches: Generator[pd.DataFrame]) -> Generator[tuple[int, pd.DataFrame]]:
        with closing(batches):
            yield from mapped(self._predicted, batches, self.jobs)

    def _predicted(self, rows: pd.DataFrame) -> tuple[int, pd.DataFrame]:
        columns = self.definition.input_columns()
        try:
            predictions = self.definition.predict(self.model, cast("DataFrame[Any]", rows[columns]))
        except SchemaErrors as errors:
            failures = FailureCollector()
            source = f"{self.version.name}'s predictions"
            failures.add_rules(broken_rules(errors, rows), source=source, first_row=1)
            raise UserError(f"{failures.error()} The model is at fault, not the input.") from errors
        kept = renamed_apart(
            rows.drop(columns=columns), map(str, predictions.columns), ending="_input"
        )
        return len(rows), pd.concat([kept, predictions], axis=1)
