"""Read JSON Lines: column types are inferred from all lines, not only from the first ones."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from cli.errors import InputError
from data_access_layer.formats.records import LongRecordError, whole_lines
from data_access_layer.formats.text_types import TextTypes
from data_access_layer.types import cast_columns, map_leaf_types

BLOCK_BYTES = 16 << 20
LINE_BYTES = 64 << 20
EXACT_INTEGERS = float(2**53)


@dataclass(frozen=True)
class JsonLinesFile:
    """A UTF-8 file with one JSON object per line; `declared` are columns with a declared type."""

    open: Callable[[], Any]
    name: str
    declared: Mapping[str, pa.DataType]

    def schema(self) -> pa.Schema:
        """Infer the columns and their types from all lines; reads the whole file.

        Raises:
            InputError: a line is not a JSON object, or a column has values of several kinds.
        """
        schemas: list[pa.Schema] = []
        times = TextTypes()
        for data, row in self._read_pieces():
            table = self._parse(data, {}, row)
            self._check_lines(table, data, row)
            texts = [
                field.name
                for field in table.schema
                if self._is_text_in_file(field.name, field.type)
            ]
            if texts:
                table = self._parse(data, dict.fromkeys(texts, pa.string()), row)
                times.add({name: table[name].combine_chunks() for name in texts})
            self._check_large_numbers(table, data, row)
            found = _with_types(table.schema, self.declared)
            schemas = [self._unify([*schemas, found])]
        if not schemas:
            raise InputError(f"{self.name}: the file has no rows.")
        if not schemas[0].names:
            raise InputError(f"{self.name}: no line has a column.")
        schema = _with_types(_without_nulls(schemas[0]), times.types())
        return pa.schema([schema.field(name) for name in self._order_names(schema.names)])

    def _order_names(self, names: Sequence[str]) -> list[str]:
        """The order of the first line: Arrow puts columns first whose first value is not null."""
        first = next(line for data, row in self._read_pieces() for line in _split_lines(data, row))
        return sorted(names, key=[*self._parse_object(*first), *names].index)

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order, some megabytes at a time, in the types of `schema`.

        Raises:
            InputError: as `schema`.
        """
        types = {field.name: field.type for field in schema}
        texts = {
            name: pa.string() for name, kind in types.items() if self._is_text_in_file(name, kind)
        }
        for data, row in self._read_pieces():
            table = self._parse(data, {**types, **texts}, row)
            yield _to_batch(table.select(schema.names), schema)

    def _is_text_in_file(self, name: str, kind: pa.DataType) -> bool:
        return name not in self.declared and pa.types.is_temporal(kind)

    def _read_pieces(self) -> Iterator[tuple[bytes, int]]:
        """Blocks of complete lines, with the number of their first row."""
        row = 1
        try:
            with self.open() as stream:
                for data in whole_lines(stream, BLOCK_BYTES, LINE_BYTES):
                    if data.strip():
                        yield data, row
                    row += data.count(b"\n")
        except LongRecordError as error:
            raise InputError(
                f"{self.name}: the line in row {row:,} or after it is longer than "
                f"{error.limit >> 20} MB."
            ) from error

    def _parse(self, data: bytes, types: Mapping[str, pa.DataType], row: int) -> pa.Table:
        # Arrow 25 crashes the process if the first value is null.
        if data.removeprefix(BOM_UTF8).strip()[:1] not in (b"{", b""):
            self._parse_object(*next(_split_lines(data, row)))
        try:
            return pa_json.read_json(
                pa.BufferReader(data),
                read_options=pa_json.ReadOptions(block_size=len(data) + 1),
                parse_options=pa_json.ParseOptions(explicit_schema=pa.schema(list(types.items()))),
            )
        except (pa.ArrowException, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            reason = re.sub(
                r"in row (\d+)", lambda found: f"in row {row + int(found[1]):,}", reason
            )
            raise InputError(
                f"{self.name}: not a JSON Lines file with the same columns, of one type each, in "
                f"all rows ({reason})."
            ) from error

    def _check_lines(self, table: pa.Table, data: bytes, row: int) -> None:
        """Refuse objects that span lines, and several objects on one line: Arrow accepts both."""
        if table.num_rows == data.count(b"\n") + (not data.endswith(b"\n")):
            return
        lines = list(_split_lines(data, row))
        if table.num_rows != len(lines):
            for number, line in lines:
                self._parse_object(number, line)

    def _parse_object(self, row: int, line: bytes) -> dict[str, Any]:
        try:
            found = json.loads(line, strict=False)
            if isinstance(found, dict):
                return found
            reason = f"got {line[:20].decode(errors='replace')}"
        except (ValueError, RecursionError) as error:
            reason = str(error)
        raise InputError(
            f"{self.name}: not a JSON Lines file: line {row:,} is not one JSON object "
            f"({reason}). Write each row in its own line, e.g. with `jq --compact-output`."
        )

    def _unify(self, schemas: list[pa.Schema]) -> pa.Schema:
        try:
            return pa.unify_schemas(schemas, promote_options="permissive")
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{self.name}: not a JSON Lines file with the same columns, of one type each, in "
                f"all rows ({reason})."
            ) from error

    def _check_large_numbers(self, table: pa.Table, data: bytes, row: int) -> None:
        """Refuse whole numbers that a floating-point number would round."""
        names = [
            name
            for name, column in zip(table.column_names, table.columns, strict=True)
            if name not in self.declared
            and pa.types.is_float64(column.type)
            and (pc.max(pc.abs(column)).as_py() or 0.0) >= EXACT_INTEGERS
        ]
        for number, line in _split_lines(data, row) if names else ():
            values = self._parse_object(number, line)
            for name in names:
                value = values.get(name)
                if isinstance(value, int) and int(float(value)) != value:
                    raise InputError(
                        f"{self.name}: column {name!r}: the number {value} in row {number:,} is "
                        "too large for 64 bits. Write the column as text."
                    )


def _split_lines(data: bytes, row: int) -> Iterator[tuple[int, bytes]]:
    """The non-empty lines, with their numbers."""
    return ((number, line) for number, line in enumerate(data.split(b"\n"), row) if line.strip())


def _with_types(schema: pa.Schema, types: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema([(field.name, types.get(field.name, field.type)) for field in schema])


def _without_nulls(schema: pa.Schema) -> pa.Schema:
    """Use string instead of null inside lists and structs: Arrow reads too few of these nulls."""
    texts = {
        field.name: map_leaf_types(
            field.type, lambda leaf: pa.string() if pa.types.is_null(leaf) else leaf
        )
        for field in schema
        if pa.types.is_nested(field.type)
    }
    return _with_types(schema, texts)


def _to_batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    (batch,) = cast_columns(table, schema).combine_chunks().to_batches()
    return batch
