"""Feature views: the standard way to read features, typed and validated.

A view is a contract (a pandera model) with the location of its rows:

    class FeatureViewCompany(
        FeatureView, Companies,
        table="companies", keys=("company_id",), available="arrived_at", sample=sample_companies,
    ):
        "Yearly filings of companies."

    FeatureViewCompany.read(
        columns=["company_id", "revenue"], filter="revenue > 1e6", as_of="2025-01-01"
    )

The settings (`[stores]`) define where the table is, so a view can move from a local file to S3 or a
database without a change of code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import pandas as pd
import pandera.pandas as pa
from pandera.api.base.model import MetaModel
from pandera.typing import DataFrame

from cli.terminal import say
from data_access_layer.query.filters import AsOf
from data_access_layer.settings import BATCH_ROWS, StoreSettings
from data_access_layer.stores import open_table
from data_access_layer.tables.stored_table import StoredTable
from feature_store.checks import dtypes_of, select_columns, validate_rows
from feature_store.errors import FeatureStoreError, unknown_names
from feature_store.filters import Alternatives, Filter, parse_filter
from feature_store.timestamps import Timestamp, to_timestamp

# Without these, nullable integers would become floats, which are not exact beyond 2^53.
_EXACT_TYPES: dict[str, Any] = {
    **{f"int{bits}": pd.api.types.pandas_dtype(f"Int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": pd.api.types.pandas_dtype(f"UInt{bits}") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows of a view are, and what one row means.

    Attributes:
        table: the name of the table; the settings `[stores]` define where it is.
        keys: the columns that identify the entity of a row.
        timestamp: the column with the time of the event, UTC.
        available: the column with the time when the row became known, UTC; None if both are equal.
        sample: creates rows for a missing table on a developer's machine.
    """

    table: str
    keys: tuple[str, ...]
    timestamp: str
    available: str | None
    sample: Callable[[], pd.DataFrame] | None

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The key and time columns; all others are features."""
        return (*self.keys, self.timestamp, *([self.available] if self.available else []))

    def as_of(self, timestamp: Timestamp | None) -> AsOf | None:
        """The query for the rows that were known at a time."""
        if timestamp is None:
            return None
        return AsOf(
            keys=self.keys,
            timestamp=self.timestamp,
            time=to_timestamp(timestamp, "as_of"),
            available=self.available,
        )


class _IndexedByColumns(MetaModel):
    def __getitem__(self, columns: str | tuple[str, ...]) -> Selection:
        """`View["revenue", "employees"]` is `View.select("revenue", "employees")`."""
        names = (columns,) if isinstance(columns, str) else columns
        return cast("type[FeatureView]", self).select(*names)


class FeatureView(pa.DataFrameModel, metaclass=_IndexedByColumns):
    """Base of all feature views. One row per entity, event and, if declared, arrival.

    A subclass sets the fields of `Source` as keywords of its class statement, and inherits the
    columns of its contract.
    """

    __source__: ClassVar[Source]

    def __init_subclass__(
        cls,
        *,
        table: str | None = None,
        keys: Sequence[str] = (),
        timestamp: str = "event_timestamp",
        available: str | None = None,
        sample: Callable[[], pd.DataFrame] | None = None,
        **options: Any,
    ) -> None:
        super().__init_subclass__(**options)  # type: ignore[no-untyped-call]
        if table is None:
            return
        cls.__source__ = Source(
            table=table, keys=tuple(keys), timestamp=timestamp, available=available, sample=sample
        )
        if not keys:
            raise FeatureStoreError(f"{cls.__name__}: no keys; declare them with keys=(…,).")
        cls._check_known(cls.__source__.own_columns)

    @classmethod
    def source(cls) -> Source:
        """Where its rows are, and what one row means."""
        return cls.__source__

    @classmethod
    def features(cls) -> tuple[str, ...]:
        """All columns except the key and time columns."""
        return tuple(
            name for name in cls.to_schema().columns if name not in cls.__source__.own_columns
        )

    @classmethod
    def select(cls, *columns: str, prefix: str = "") -> Selection:
        """Select columns (default: all features) for a join or a feature set.

        `prefix` goes before each name in the result, to tell apart columns of two views.
        """
        cls._check_known(columns)
        return Selection(cls, columns or cls.features(), prefix)

    @classmethod
    def read(
        cls,
        *,
        columns: Sequence[str] | None = None,
        filter: Filter | None = None,
        as_of: Timestamp | None = None,
        settings: StoreSettings | None = None,
    ) -> DataFrame[Self]:
        """Read its rows into memory, validated and with the contract's dtypes.

        The store applies columns, filter and time itself, so it reads no more than necessary.

        Args:
            columns: the columns, in that order; None for all.
            filter: the rows, see `feature_store.filters`.
            as_of: a timestamp to read as of, one row per entity: of the rows that had happened and
                arrived by then, the latest event and its last correction. A date means its 00:00
                UTC; it may be in the future. The filter applies to these rows. None for all rows.
            settings: where tables are; None for the configured settings.

        Raises:
            FeatureStoreError: a column, the filter or the timestamp is invalid, the table does not
                exist, or its rows break the contract.
        """
        names, schema, alternatives = cls._parse_query(columns, filter)
        table = cls._open_table(settings)
        frame = table.read(columns=names, filters=alternatives, as_of=cls.__source__.as_of(as_of))
        return cast("DataFrame[Self]", validate_rows(frame[names], schema, table.name))

    @classmethod
    def batches(
        cls,
        *,
        columns: Sequence[str] | None = None,
        filter: Filter | None = None,
        as_of: Timestamp | None = None,
        settings: StoreSettings | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[DataFrame[Self]]:
        """Like `read`, in batches of at most `batch_rows` rows, each validated separately."""
        names, schema, alternatives = cls._parse_query(columns, filter)
        query = cls.__source__.as_of(as_of)
        table = cls._open_table(settings)
        for batch in table.batches(
            columns=names, filters=alternatives, as_of=query, batch_rows=batch_rows
        ):
            frame = batch.to_pandas(types_mapper=lambda kind: _EXACT_TYPES.get(str(kind)))
            yield cast("DataFrame[Self]", validate_rows(frame[names], schema, table.name))

    @classmethod
    def _parse_query(
        cls, columns: Sequence[str] | None, filter: Filter | None
    ) -> tuple[list[str], pa.DataFrameSchema, Alternatives | None]:
        schema = cls.to_schema()
        names = list(schema.columns) if columns is None else list(dict.fromkeys(columns))
        if not names:
            raise FeatureStoreError(
                f"{cls.__name__}: name at least one column, or pass None for all."
            )
        cls._check_known(names)
        alternatives = parse_filter(filter, dtypes_of(schema), cls.__name__)
        return names, select_columns(schema, names), alternatives

    @classmethod
    def _check_known(cls, columns: Sequence[str]) -> None:
        known = cls.to_schema().columns
        if odd := [str(name) for name in columns if name not in known]:
            raise unknown_names(f"{cls.__name__}: no column", odd, known)

    @classmethod
    def _open_table(cls, settings: StoreSettings | None) -> StoredTable:
        """Open the table; write its sample if it does not exist and the settings allow that."""
        settings = settings or StoreSettings.load()
        source = cls.__source__
        dtypes = {name: str(dtype) for name, dtype in dtypes_of(cls.to_schema()).items()}
        table = open_table(source.table, settings, dtypes=dtypes)
        if table.exists():
            return table
        if source.sample is None or not settings.write_samples:
            raise FeatureStoreError(
                f"{cls.__name__}: there is no table {source.table!r} at {table.location}. Set its "
                f'location: {source.table} = "…" under [stores.tables] in the settings file '
                "(--config)."
            )
        table.write(source.sample())
        say(f"{table.location}: did not exist; wrote the made-up sample of {source.table!r}.")
        return table


@dataclass(frozen=True)
class Selection:
    """Columns of one view; `prefix` goes before their names in the result."""

    view: type[FeatureView]
    columns: tuple[str, ...]
    prefix: str = ""

    @property
    def names(self) -> dict[str, str]:
        """The name of each column in the result."""
        return {column: f"{self.prefix}{column}" for column in self.columns}


def to_selections(views: Sequence[type[FeatureView] | Selection]) -> list[Selection]:
    """Convert views to selections of all their features, and check that names are unique.

    Raises:
        FeatureStoreError: there is no view, or two columns have the same name.
    """
    if not views:
        raise FeatureStoreError("Name at least one feature view.")
    selections = [view if isinstance(view, Selection) else view.select() for view in views]
    owners: dict[str, str] = {}
    for selection in selections:
        for name in selection.names.values():
            if name in owners:
                raise FeatureStoreError(
                    f"{owners[name]} and {selection.view.__name__} both have a column {name!r}: "
                    "select other columns, or give one a prefix, for example "
                    f'{selection.view.__name__}.select("{name}", prefix="…").'
                )
            owners[name] = selection.view.__name__
    return selections
