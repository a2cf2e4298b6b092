"""Read Parquet files of any writer; errors name the column and row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cli.errors import InputError
from data_access_layer.types import empty_batch, is_text, select_columns

_INT96 = "INT96"


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file; page checksums are verified if it has them."""

    open: Callable[[], Any]
    name: str

    @contextmanager
    def _open_parquet(self, unit: str = "us") -> Iterator[pq.ParquetFile]:
        with ExitStack() as stack:
            try:
                # Arrow does not close a source that it did not open.
                source = stack.enter_context(self.open())
                file = stack.enter_context(
                    pq.ParquetFile(
                        source,
                        # With a buffer, Arrow would keep all data in memory until the last batch.
                        pre_buffer=False,
                        # In nanoseconds, 9999-12-31 would become a day in 1816.
                        coerce_int96_timestamp_unit=unit,
                        page_checksum_verification=True,
                    )
                )
            except (pa.ArrowException, OSError) as error:
                raise self._translate_error(error) from error
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{self.name}: the name of a column is not in UTF-8 ({error.object!r}). Rename "
                    "the column."
                ) from error
            yield file

    def row_count(self) -> int:
        """The number of rows in the file's footer.

        Raises:
            InputError: the file is incomplete, or not Parquet.
        """
        with self._open_parquet() as file:
            return int(file.metadata.num_rows)

    def schema(self) -> pa.Schema:
        """The columns with their types.

        Raises:
            InputError: the file is incomplete, not Parquet, or has a column twice.
        """
        with self._open_parquet() as file:
            return self._check_names(file.schema_arrow)

    def _check_names(self, schema: pa.Schema) -> pa.Schema:
        twice = [name for index, name in enumerate(schema.names) if name in schema.names[:index]]
        if twice:
            raise InputError(f"{self.name}: expected each column once, got {twice[0]!r} twice.")
        return schema

    def batches(
        self, batch_rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, at most `batch_rows` at a time, of `columns` only.

        There is at least one batch; it is empty if the file has no rows.

        Raises:
            InputError: the file is incomplete or not Parquet, text is not in UTF-8, or an INT96
                timestamp has nanoseconds.
        """
        with self._open_parquet() as file:
            empty = select_columns(
                empty_batch(self._check_names(file.schema_arrow)), columns, self.name
            )
            if file.metadata.num_rows == 0:
                yield empty
            row = 0
            for batch in self._read(file, batch_rows, empty.schema.names):
                self._check_values(batch, row + 1)
                row += batch.num_rows
                yield batch
            if row != file.metadata.num_rows:
                raise InputError(
                    f"{self.name}: the footer counts {file.metadata.num_rows:,} rows, but the file "
                    f"has {row:,}. Write it again."
                )

    def _read(
        self, file: pq.ParquetFile, batch_rows: int, columns: list[str]
    ) -> Iterator[pa.RecordBatch]:
        int96 = [name for name in columns if _is_int96(file, name)]
        batches = file.iter_batches(batch_size=batch_rows, columns=columns)
        nanoseconds = self._read_nanoseconds(batch_rows, int96) if int96 else iter(())
        row = 1
        while (batch := self._read_next(batches)) is not None:
            if (same := self._read_next(nanoseconds)) is not None:
                self._check_digits(batch, same, row)
            row += batch.num_rows
            if absent := [name for name in columns if name not in batch.schema.names]:
                raise InputError(
                    f"{self.name}: column {absent[0]!r} is a group without columns, which Arrow "
                    "cannot read. Read the other columns."
                )
            yield batch.select(columns)

    def _read_nanoseconds(self, batch_rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        with self._open_parquet("ns") as file:
            yield from file.iter_batches(batch_size=batch_rows, columns=columns)

    def _read_next(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        try:
            return next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raise self._translate_error(error) from error

    def _check_digits(self, batch: pa.RecordBatch, exact: pa.RecordBatch, first_row: int) -> None:
        for name in exact.schema.names:
            given = batch.column(name)
            in_range = pc.and_(
                pc.greater(given, _FIRST_NANOSECOND), pc.less(given, _LAST_NANOSECOND)
            )
            cut = pc.cast(exact.column(name), given.type, safe=False)
            has_more = pc.not_equal(pc.cast(cut, exact.column(name).type), exact.column(name))
            wrong = pc.indices_nonzero(pc.fill_null(pc.and_(in_range, has_more), False))
            if len(wrong):
                raise InputError(
                    f"{self.name}: column {name!r}: the timestamp in row "
                    f"{first_row + wrong[0].as_py():,} has nanoseconds, but its type INT96 is read "
                    "in microseconds. Write the file with TIMESTAMP(NANOS)."
                )

    def _check_values(self, batch: pa.RecordBatch, first_row: int) -> None:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if not _contains_type(column.type, _CHECKED):
                continue
            try:
                column.validate(full=True)
            except pa.ArrowInvalid as error:
                if _contains_type(column.type, _UNLIKE_TEXT):
                    reason = str(error).splitlines()[0].rstrip(".")
                    raise InputError(
                        f"{self.name}: column {name!r}: a value is not valid for its type "
                        f"{column.type} ({reason}). Write the column with another type."
                    ) from error
                raise InputError(
                    f"{self.name}: column {name!r}: the text"
                    f"{_describe_row(column, first_row)} is not in UTF-8. "
                    "Write the column as binary, or in UTF-8."
                ) from error

    def _translate_error(self, error: Exception) -> InputError:
        reason = str(error).splitlines()[0].rstrip(".")
        if isinstance(error, pa.ArrowNotImplementedError):
            return InputError(
                f"{self.name}: this Parquet file cannot be read ({reason}). Write it without that "
                "column or encoding."
            )
        if "crypt" in reason:
            return InputError(
                f"{self.name}: this Parquet file is encrypted ({reason}). Decrypt it first."
            )
        if "AWS Error" in reason:
            return InputError(
                f"{self.name}: the store failed while the file was read ({reason}). Run it again."
            )
        return InputError(
            f"{self.name}: not a complete Parquet file ({reason}). "
            "Was it cut off while it was copied?"
        )


_FIRST_NANOSECOND = pa.scalar(-(2**63) // 1000 + 1, pa.timestamp("us"))
_LAST_NANOSECOND = pa.scalar(2**63 // 1000 - 1, pa.timestamp("us"))


def _is_int96(file: pq.ParquetFile, name: str) -> bool:
    parquet = file.schema
    return any(
        parquet.column(index).path == name and parquet.column(index).physical_type == _INT96
        for index in range(len(parquet))
    )


# Types whose values Arrow does not check, and that could fail later.
_UNLIKE_TEXT = (pa.types.is_decimal, pa.types.is_time)
_CHECKED = (is_text, *_UNLIKE_TEXT)


def _contains_type(kind: pa.DataType, tests: Sequence[Callable[[pa.DataType], bool]]) -> bool:
    if pa.types.is_nested(kind):
        return any(
            _contains_type(kind.field(index).type, tests) for index in range(kind.num_fields)
        )
    return any(test(kind) for test in tests)


def _describe_row(column: pa.Array, first_row: int) -> str:
    """The row of the first value that is not in UTF-8; empty if the column is nested."""
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_string_view(kind):
        return ""
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    binary = pa.large_binary() if pa.types.is_large_string(column.type) else pa.binary()
    for index, value in enumerate(column.cast(binary).to_pylist()):
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return f" in row {first_row + index:,}"
    return ""
