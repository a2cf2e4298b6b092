"""Tables in files: a single file, or all files of a folder as one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from cli.errors import InputError
from data_access_layer.conform import conform, conformed_type, declared_types
from data_access_layer.files import (
    FilePath,
    format_of,
    list_table_files,
    open_file,
    size_of,
)
from data_access_layer.formats.csv import CsvFile, WrongCells
from data_access_layer.formats.json_lines_reader import JsonLinesFile
from data_access_layer.formats.parquet import ParquetFile
from data_access_layer.formats.text_types import TextsAs, TextTypes
from data_access_layer.reader import (
    Batch,
    NoRowsError,
    RecordBatch,
    WrongCellReport,
    WrongCellsMode,
    to_frame,
    total_rows,
)
from data_access_layer.settings import BATCH_ROWS
from data_access_layer.types import select_columns

type Rows = tuple[pa.RecordBatch, Sequence[WrongCells]]


def open_files(
    location: FilePath,
    dtypes: Mapping[str, str] | None = None,
    *,
    texts_as: TextsAs = "exact",
) -> list[TableFile]:
    """The file or object at a location, or all table files of the folder there.

    `dtypes` are the types that a contract declares.

    Raises:
        InputError: the location does not exist or cannot be read, or the folder is not a table.
        UserError: an object's store denies access, or does not answer.
    """
    found = list_table_files(location) if isinstance(location, Path) else location.files()
    partitions = {
        name: pa.array([file.partition[name] for file in found], pa.string())
        for name in found[0].partition
    }
    types = TextTypes(texts_as)
    types.add(partitions)
    return [
        TableFile(
            file.path,
            dtypes or {},
            str(file.path),
            texts_as,
            {name: (file.partition[name], kind) for name, kind in types.types().items()},
        )
        for file in found
    ]


def paths_of(tables: Iterable[object]) -> list[FilePath]:
    """The paths of the files and objects of some tables."""
    files: list[FilePath] = []
    for table in tables:
        if isinstance(table, TableFiles):
            files += paths_of(table.files)
        elif isinstance(table, TableFile):
            files.append(table.path)
    return files


@dataclass(frozen=True)
class TableFile:
    """One file of a table, read in batches.

    Attributes:
        dtypes: the pandas dtypes of the columns that a contract declares. A column gets its type if
            no value changes. All other columns have the type of the file.
        texts_as: how to infer the type of undeclared columns of a CSV file, see `TextsAs`. Unless
            it is `text`, the file is read twice.
        partition: the columns of the file's folders `name=value`, with their types.
        unified: the types of undeclared columns that fit all files of a folder.
    """

    path: FilePath
    dtypes: Mapping[str, str]
    name: str
    texts_as: TextsAs = "exact"
    partition: Mapping[str, tuple[str | None, pa.DataType]] = field(default_factory=dict)
    unified: Mapping[str, pa.DataType] = field(default_factory=dict)

    def row_count(self) -> int | None:
        """The number of rows, if the format stores it; else None."""
        if format_of(self.path) != "parquet" or self.size() == 0:
            return None
        return self._parquet.row_count()

    def size(self) -> int:
        """How many bytes the file has.

        Raises:
            InputError: it does not exist.
        """
        return size_of(self.path, self.name)

    def batches(
        self, batch_rows: int = BATCH_ROWS, *, wrong_cells: WrongCellsMode = "raise"
    ) -> Iterator[Batch]:
        """Yield the rows in order, at most `batch_rows` at a time.

        Cells that do not have their declared type raise an error that names the first rows of each
        column. If `wrong_cells` is `keep`, they are missing in the frame, and listed in `wrong`.

        Raises:
            InputError: the file is empty, truncated, or not in the format of its ending, or a cell
                does not have its declared type.
        """
        empty = True
        for batch in self.batches_if_any(batch_rows, wrong_cells=wrong_cells):
            empty = False
            yield batch
        if empty:
            raise NoRowsError(f"{self.name}: the file has no rows.")

    def batches_if_any(
        self, batch_rows: int = BATCH_ROWS, *, wrong_cells: WrongCellsMode = "raise"
    ) -> Iterator[Batch]:
        """As `batches`, but no batch if the file has no rows."""
        first_row = 1
        for rows, wrong in self._read_rows(batch_rows, wrong_cells=wrong_cells):
            if rows.num_rows:
                yield Batch(self.name, first_row, to_frame(rows, self.dtypes), wrong)
            first_row += rows.num_rows

    def record_batches(
        self, batch_rows: int = BATCH_ROWS, *, columns: Sequence[str] | None = None
    ) -> Iterator[RecordBatch]:
        """Yield Arrow batches, with `columns` in that order; at least one batch.

        A table without rows is one empty batch.

        Raises:
            InputError: as `batches`; or a column does not exist.
        """
        for rows, _ in self._read_rows(batch_rows, columns):
            yield rows

    def columns(self) -> dict[str, pa.DataType | None]:
        """The columns with their types; None for a CSV column whose type is not inferred yet.

        Raises:
            InputError: the file is empty, truncated, or not in the format of its ending.
        """
        declared = declared_types(self.dtypes)
        columns = {**self._read_columns(declared), **self._partition_types()}
        wanted = {**self.unified, **declared}
        return {
            name: conformed_type(kind, wanted[name]) if name in wanted else kind
            for name, kind in columns.items()
        }

    def read_schema(self) -> pa.Schema:
        """Read the schema of a Parquet file.

        Raises:
            InputError: the file is incomplete.
        """
        self._check_not_empty()
        return self._parquet.schema()

    def _read_columns(self, declared: Mapping[str, pa.DataType]) -> dict[str, pa.DataType | None]:
        self._check_not_empty()
        match format_of(self.path):
            case "csv":
                return dict.fromkeys(self._csv(declared).columns)
            case "parquet":
                schema = self._parquet.schema()
            case "jsonl":
                schema = self._json_lines(declared).schema()
        return dict(zip(schema.names, schema.types, strict=True))

    def _partition_types(self) -> dict[str, pa.DataType]:
        return {name: kind for name, (_, kind) in self.partition.items()}

    def scan_texts(self, columns: Sequence[str], types: TextTypes) -> None:
        """Infer the types of text columns of a CSV file; reads it once.

        Raises:
            InputError: as `batches`.
        """
        self._csv({}).scan_texts(columns, types)

    def _read_rows(
        self,
        batch_rows: int,
        columns: Sequence[str] | None = None,
        *,
        wrong_cells: WrongCellsMode = "raise",
    ) -> Iterator[Rows]:
        """Yield the rows; at least one batch. Wrong cells are counted to the end of the file."""
        problems = WrongCellReport(self.name)
        first_row = 1
        try:
            for rows, wrong in self._read_conformed(batch_rows, columns):
                if wrong_cells == "raise":
                    problems.add(wrong, first_row)
                if not problems:
                    yield rows, wrong
                first_row += rows.num_rows
        except InputError:
            # The next run reports errors further down.
            if not problems:
                raise
        except OSError as error:
            # An object's errors already name the store's reason.
            if not isinstance(self.path, Path):
                raise
            raise InputError(f"{self.name}: cannot be read: {error}.") from error
        if problems:
            raise problems.error()

    def _read_conformed(self, batch_rows: int, columns: Sequence[str] | None) -> Iterator[Rows]:
        declared = declared_types(self.dtypes)
        for read, wrong in self._read_format(batch_rows, columns, declared):
            batch, more = conform(self._add_partition(read, columns), {**self.unified, **declared})
            for start in range(0, max(batch.num_rows, 1), batch_rows):
                part = batch.slice(start, batch_rows)
                yield part, _within([*wrong, *more], start, part.num_rows)

    def _read_format(
        self,
        batch_rows: int,
        columns: Sequence[str] | None,
        declared: Mapping[str, pa.DataType],
    ) -> Iterator[Rows]:
        self._check_not_empty()
        own = None if columns is None else [name for name in columns if name not in self.partition]
        match format_of(self.path):
            case "parquet":
                for batch in self._parquet.batches(batch_rows, own):
                    yield batch, ()
            case "jsonl":
                lines = self._json_lines(declared)
                for batch in lines.batches(lines.schema()):
                    yield select_columns(batch, own, self.name), ()
            case "csv":
                file = self._csv(declared)
                header = pa.table({name: pa.array([], pa.string()) for name in file.columns})
                names = select_columns(header, own, self.name).column_names
                yield from file.batches(
                    {**self._infer_text_types(file, names), **self.unified}, names
                )

    def _infer_text_types(self, file: CsvFile, names: Sequence[str]) -> dict[str, pa.DataType]:
        open_ = [name for name in names if name not in {**file.declared, **self.unified}]
        types = TextTypes(self.texts_as)
        if open_ and self.texts_as != "text":
            file.scan_texts(open_, types)
        return types.types()

    def _add_partition(
        self, batch: pa.RecordBatch, columns: Sequence[str] | None
    ) -> pa.RecordBatch:
        """Add the columns of the file's folders `name=value`."""
        for name, (value, kind) in self.partition.items():
            if name in batch.schema.names:
                raise InputError(
                    f"{self.name}: column {name!r} is both in the file and in its folder's name."
                )
            one = pa.array([value], pa.string()).cast(kind)
            batch = batch.append_column(name, one.take(pa.array([0] * batch.num_rows, pa.int64())))
        chosen: pa.RecordBatch = select_columns(batch, columns, self.name)
        return chosen

    def _check_not_empty(self) -> None:
        if self.size() == 0:
            raise InputError(f"{self.name}: the file is empty.")

    def _open(self) -> Any:
        return open_file(self.path, self.name)

    @property
    def _parquet(self) -> ParquetFile:
        return ParquetFile(self._open, self.name)

    def _csv(self, declared: Mapping[str, pa.DataType]) -> CsvFile:
        return CsvFile(self._open, self.name, declared)

    def _json_lines(self, declared: Mapping[str, pa.DataType]) -> JsonLinesFile:
        return JsonLinesFile(self._open, self.name, declared)


@dataclass(frozen=True)
class TableFiles:
    """Files that are read one after another, as one table.

    All have the same columns, in any order. If an undeclared column has several types, it gets a
    type that holds the values of all files.
    """

    files: Sequence[TableFile]
    name: str

    def row_count(self) -> int | None:
        """The number of rows of all files, if their formats store it."""
        return total_rows(self.files)

    def batches(
        self, batch_rows: int = BATCH_ROWS, *, wrong_cells: WrongCellsMode = "raise"
    ) -> Iterator[Batch]:
        """Yield the rows in order, at most `batch_rows` at a time.

        Raises:
            InputError: a file cannot be read, its columns differ from those of the first one, or
                no file has rows.
        """
        if len(self.files) == 1:
            yield from self.files[0].batches(batch_rows, wrong_cells=wrong_cells)
            return
        schema, files = self._unify_files()
        names = schema.names
        empty = True
        for file in files:
            for batch in file.batches_if_any(batch_rows, wrong_cells=wrong_cells):
                empty = False
                given = [name for name in names if name in batch.frame]
                more = [name for name in batch.frame if name not in names]
                yield replace(batch, frame=batch.frame[[*given, *more]])
        if empty:
            raise NoRowsError(f"{self.name}: no file of the folder has rows.")

    def record_batches(
        self, batch_rows: int = BATCH_ROWS, *, columns: Sequence[str] | None = None
    ) -> Iterator[RecordBatch]:
        """Yield Arrow batches, with `columns` in that order; at least one batch.

        Raises:
            InputError: as `batches`; or a column does not exist.
        """
        if len(self.files) == 1:
            yield from self.files[0].record_batches(batch_rows, columns=columns)
            return
        _, rows = self.unify(batch_rows, columns=columns)
        yield from rows

    def unify(
        self, batch_rows: int = BATCH_ROWS, *, columns: Sequence[str] | None = None
    ) -> tuple[pa.Schema, Iterator[RecordBatch]]:
        """The columns with types that fit all files, and the rows with these types.

        Raises:
            InputError: as `batches`; or a column does not exist.
        """
        schema, files = self._unify_files()
        names = schema.names if columns is None else columns
        batches = (file.record_batches(batch_rows, columns=names) for file in files)
        return schema, chain.from_iterable(batches)

    def is_uniform_parquet(self) -> bool:
        """Whether all are Parquet files with the same schema."""
        if any(format_of(file.path) != "parquet" or file.partition for file in self.files):
            return False
        schemas = (file.read_schema() for file in self.files)
        first = next(schemas)
        return all(schema.equals(first) for schema in schemas)

    def unify_types(self) -> list[TableFile]:
        """The files, with types that fit all of them; each may lack columns.

        Raises:
            InputError: a file cannot be read, or no type holds all values of a column.
        """
        return self._unify_types([file.columns() for file in self.files])

    def _unify_files(self) -> tuple[pa.Schema, list[TableFile]]:
        """The columns of the first file, and the files, with types that fit all of them."""
        found = [file.columns() for file in self.files]
        declared = declared_types(self.files[0].dtypes)
        first = found[0]
        for file, columns in zip(self.files, found, strict=True):
            # The check of the contract reports its own columns.
            if odd := sorted(({*first} ^ {*columns}) - declared.keys()):
                has, lacks = (file, self.files[0]) if odd[0] in columns else (self.files[0], file)
                raise InputError(
                    f"{lacks.name}: column {odd[0]!r} is missing; {has.name} has it. Expected the "
                    "same columns in all files. Does a CSV file have no header?"
                )
        files = self._unify_types(found)
        types = {**first, **files[0].unified}
        return pa.schema([(name, types[name]) for name in first]), files

    def _unify_types(self, found: Sequence[Mapping[str, pa.DataType | None]]) -> list[TableFile]:
        declared = declared_types(self.files[0].dtypes)
        texts_as = self.files[0].texts_as
        if texts_as == "text" and any(format_of(file.path) != "csv" for file in self.files):
            # Other formats have types, which text would not match.
            texts_as = "exact"
        texts = TextTypes(texts_as)
        for file, columns in zip(self.files, found, strict=True):
            untyped = [name for name, kind in columns.items() if kind is None]
            if untyped:
                file.scan_texts(untyped, texts)
        types: dict[str, pa.DataType] = {}
        text_types = texts.types()
        for file, columns in zip(self.files, found, strict=True):
            for name in columns.keys() - declared.keys():
                known = columns[name]
                # Not `or`: a struct without fields is false.
                kind = text_types[name] if known is None else known
                types[name] = self._unify_type(file, name, kind, types.get(name, kind))
        return [replace(file, unified=types) for file in self.files]

    def _unify_type(
        self, file: TableFile, name: str, kind: pa.DataType, before: pa.DataType
    ) -> pa.DataType:
        """The type that holds the values of both types."""
        schemas = [pa.schema([(name, _decoded(each))]) for each in (before, kind)]
        try:
            return pa.unify_schemas(schemas, promote_options="permissive").types[0]
        except pa.ArrowException as error:
            raise InputError(
                f"{file.name}: column {name!r}: {kind}, but {before} in the files before it in "
                f"{self.name}. Expected the same type in all files."
            ) from error


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _within(wrong: Sequence[WrongCells], start: int, count: int) -> Sequence[WrongCells]:
    """The wrong cells within a slice of their batch."""
    found = []
    for cells in wrong:
        chosen = [
            (row - start, text)
            for row, text in zip(cells.rows, cells.texts, strict=True)
            if start <= row < start + count
        ]
        if chosen:
            rows, texts = zip(*chosen, strict=True)
            found.append(replace(cells, rows=rows, texts=texts))
    return found
