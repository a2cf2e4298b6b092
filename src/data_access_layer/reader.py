"""Read tables batch by batch, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, Protocol

import pandas as pd
import pyarrow as pa

from cli.errors import InputError
from data_access_layer.conform import arrow_type
from data_access_layer.formats.csv import SHOWN_ROWS, WrongCells, in_rows
from data_access_layer.settings import BATCH_ROWS

# For modules that pass rows on and may not import Arrow.
type RecordBatch = pa.RecordBatch
# How to handle cells that do not have their declared type.
type WrongCellsMode = Literal["raise", "keep"]


class NoRowsError(InputError):
    """A table has columns, but no rows."""


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of one file; `first_row` counts the file's data rows from 1.

    `wrong` are cells that do not have their column's declared type; in `frame`, they are missing.
    """

    source: str
    first_row: int
    frame: pd.DataFrame
    wrong: Sequence[WrongCells] = ()


class Table(Protocol):
    """A named table that is read in batches."""

    @property
    def name(self) -> str:
        """The table's name in messages."""

    def row_count(self) -> int | None:
        """The number of rows; None if it is unknown before reading."""

    def batches(
        self, batch_rows: int = BATCH_ROWS, *, wrong_cells: WrongCellsMode = "raise"
    ) -> Iterator[Batch]:
        """Yield the rows in order, at most `batch_rows` at a time.

        Cells that do not have their declared type raise an error that names the first rows of each
        column. If `wrong_cells` is `keep`, they are missing in the frame, and listed in `wrong`.
        """


def total_rows(tables: Iterable[Table]) -> int | None:
    """The number of rows of all tables; None if one is unknown before reading."""
    counts = [table.row_count() for table in tables]
    return None if None in counts else sum(count or 0 for count in counts)


@dataclass(frozen=True)
class FrameTable:
    """A table in memory."""

    frame: pd.DataFrame
    name: str

    def row_count(self) -> int | None:
        """The rows of the frame."""
        return len(self.frame)

    def batches(
        self, batch_rows: int = BATCH_ROWS, *, wrong_cells: WrongCellsMode = "raise"
    ) -> Iterator[Batch]:
        """Yield the rows in order, at most `batch_rows` at a time."""
        for start in range(0, len(self.frame), batch_rows):
            rows = self.frame.iloc[start : start + batch_rows].reset_index(drop=True)
            yield Batch(self.name, start + 1, rows)


def even_batches(batches: Iterable[RecordBatch], rows: int) -> Iterator[RecordBatch]:
    """Yield the same rows, `rows` at a time except for the last batch; at least one batch if any.

    So the output does not depend on the batches of the input.
    """
    waiting: list[pa.RecordBatch] = []
    count, total, batch = 0, 0, None
    for batch in batches:
        total += batch.num_rows
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, rows - count)
            waiting.append(part)
            start += part.num_rows
            count += part.num_rows
            if count == rows:
                yield _concatenate(waiting)
                waiting, count = [], 0
    if waiting:
        yield _concatenate(waiting)
    elif not total and batch is not None:
        yield batch


def _concatenate(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


class WrongCellReport:
    """Counts the cells of a table that do not have their declared type."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._found: dict[str, tuple[WrongCells, int, list[int]]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, wrong: Iterable[WrongCells], first_row: int) -> None:
        """Add the cells of a batch that begins with that row."""
        for cells in wrong:
            first, count, rows = self._found.get(cells.column, (cells, 0, []))
            shown = [first_row + row for row in cells.rows[: SHOWN_ROWS - len(rows)]]
            self._found[cells.column] = first, count + len(cells.rows), rows + shown

    def error(self) -> InputError:
        """All wrong cells as one error."""
        return InputError(
            "\n".join(
                f"{self._name}: column {column!r}: expected {first.expected}, got e.g. "
                f"{first.texts[0]!r} {in_rows(count, rows)}."
                for column, (first, count, rows) in self._found.items()
            )
        )


def rename_conflicts(frame: pd.DataFrame, names: Iterable[str], *, ending: str) -> pd.DataFrame:
    """Rename the columns that have one of `names`, so that no column overwrites another."""
    names = list(names)
    taken = {*map(str, frame.columns), *names}
    renamed: dict[str, str] = {}
    for name in names:
        if name not in frame.columns:
            continue
        candidates = (f"{name}{ending}{'' if number == 1 else f'_{number}'}" for number in count(1))
        renamed[name] = next(each for each in candidates if each not in taken)
        taken.add(renamed[name])
    return frame.rename(columns=renamed)


def to_frame(batch: RecordBatch, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Convert to pandas: the contract's columns with pandas' dtypes, others with Arrow's.

    With pandas' dtypes, whole numbers would be floating-point only in batches with a missing value.
    An index in pandas' metadata is an ordinary column.
    """
    # pandas parses its metadata even with `ignore_metadata`.
    batch = batch.replace_schema_metadata()
    known = [
        field.name
        for field in batch.schema
        if field.name in dtypes and not pa.types.is_decimal(field.type)
    ]
    others = [name for name in batch.schema.names if name not in known]
    frame: pd.DataFrame = batch.select(known).to_pandas(split_blocks=True, ignore_metadata=True)
    for name in known:
        dtype: Any = pd.api.types.pandas_dtype(dtypes[name])
        if hasattr(dtype, "numpy_dtype") and batch.column(name).type == arrow_type(str(dtype)):
            frame[name] = dtype.__from_arrow__(batch.column(name))
    if not others:
        return frame
    kept: pd.DataFrame = batch.select(others).to_pandas(
        types_mapper=pd.ArrowDtype, ignore_metadata=True
    )
    return pd.concat([frame, kept], axis=1)[batch.schema.names] if known else kept
