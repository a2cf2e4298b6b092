"""Feature views: the standard way to get features, typed and checked.

A view is a contract (a pandera model) that knows where its rows are:

    class FeatureViewCompany(
        FeatureView, Companies,
        table="companies", keys=("company_id",), available="arrived_at", sample=sample_companies,
    ):
        "What companies file every year."

    FeatureViewCompany.read(
        columns=["company_id", "revenue"], filter="revenue > 1e6", as_of="2025-01-01"
    )

Where the table lies is configuration (`[stores]`), so a view moves from a local file to S3 or into
a database without a change of code.
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
from feature_store.checks import checked, dtypes_of, subset
from feature_store.errors import FeatureStoreError, unknown
from feature_store.filters import Alternatives, Filter, parse_filter
from feature_store.moments import Moment, to_moment

# Integers that may be missing would else be floating-point, and no longer exact beyond 2^53.
_EXACT_TYPES: dict[str, Any] = {
    **{f"int{bits}": pd.api.types.pandas_dtype(f"Int{bits}") for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": pd.api.types.pandas_dtype(f"UInt{bits}") for bits in (8, 16, 32, 64)},
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows of a view are, and what one row stands for.

    Attributes:
        table: the name of the table; `[stores]` says where it lies.
        keys: the columns that tell which entity a row is about.
        timestamp: when what the row tells about happened, UTC.
        available: when the row became known, UTC; None where that is when it happened.
        sample: makes rows where there are none yet, on a developer's machine.
    """

    table: str
    keys: tuple[str, ...]
    timestamp: str
    available: str | None
    sample: Callable[[], pd.DataFrame] | None

    @property
    def own_columns(self) -> tuple[str, ...]:
        """The columns that place a row; all others are features."""
        return (*self.keys, self.timestamp, *([self.available] if self.available else []))

    def as_of(self, moment: Moment | None) -> AsOf | None:
        """What each entity was known as at that moment."""
        if moment is None:
            return None
        return AsOf(
            keys=self.keys,
            timestamp=self.timestamp,
            moment=to_moment(moment, "as_of"),
            available=self.available,
        )


class _IndexedByColumns(MetaModel):
    def __getitem__(self, columns: str | tuple[str, ...]) -> Selection:
        """`View["revenue", "employees"]` is `View.select("revenue", "employees")`."""
        names = (columns,) if isinstance(columns, str) else columns
        return cast("type[FeatureView]", self).select(*names)


class FeatureView(pa.DataFrameModel, metaclass=_IndexedByColumns):
    """Base of all feature views. One row per entity, event and, if declared, arrival.

    A subclass says by keywords of its class statement what `Source` documents; its columns are
    those of the contract that it inherits from, too.
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
            raise FeatureStoreError(f"{cls.__name__}: declare its keys.")
        cls._check_known(cls.__source__.own_columns)

    @classmethod
    def source(cls) -> Source:
        """Where its rows are, and what one row stands for."""
        return cls.__source__

    @classmethod
    def features(cls) -> tuple[str, ...]:
        """All columns but those that place a row."""
        return tuple(
            name for name in cls.to_schema().columns if name not in cls.__source__.own_columns
        )

    @classmethod
    def select(cls, *columns: str, prefix: str = "") -> Selection:
        """Some of its columns (all features where none is named), for a join or a feature set.

        `prefix` goes before each name in the result, where two views have columns of one name.
        """
        cls._check_known(columns)
        return Selection(cls, columns or cls.features(), prefix)

    @classmethod
    def read(
        cls,
        *,
        columns: Sequence[str] | None = None,
        filter: Filter | None = None,
        as_of: Moment | None = None,
        settings: StoreSettings | None = None,
    ) -> DataFrame[Self]:
        """Read its rows into memory, with the contract's dtypes, checked.

        Columns, filter and moment are handed down to the store, which reads no more than it must.

        Args:
            columns: which, in that order; None for all.
            filter: which rows, see `feature_store.filters`.
            as_of: what was known at that moment, one row per entity: of the rows that had happened
                and arrived by then the latest event, of its corrections the last. A date is its
                00:00 UTC; may lie in the future. The filter sees only these rows. None for all.
            settings: where tables lie; None for what is configured.

        Raises:
            FeatureStoreError: a column, the filter or the moment is wrong, there is no such table,
                or its rows break the contract.
        """
        names, schema, alternatives = cls._question(columns, filter)
        table = cls._table(settings)
        frame = table.read(columns=names, filters=alternatives, as_of=cls.__source__.as_of(as_of))
        return cast("DataFrame[Self]", checked(frame[names], schema, table.name))

    @classmethod
    def batches(
        cls,
        *,
        columns: Sequence[str] | None = None,
        filter: Filter | None = None,
        as_of: Moment | None = None,
        settings: StoreSettings | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> Iterator[DataFrame[Self]]:
        """What `read` reads, at most `batch_rows` rows at a time; each is checked by itself."""
        names, schema, alternatives = cls._question(columns, filter)
        moment = cls.__source__.as_of(as_of)
        table = cls._table(settings)
        for batch in table.batches(
            columns=names, filters=alternatives, as_of=moment, batch_rows=batch_rows
        ):
            frame = batch.to_pandas(types_mapper=lambda kind: _EXACT_TYPES.get(str(kind)))
            yield cast("DataFrame[Self]", checked(frame[names], schema, table.name))

    @classmethod
    def _question(
        cls, columns: Sequence[str] | None, filter: Filter | None
    ) -> tuple[list[str], pa.DataFrameSchema, Alternatives | None]:
        schema = cls.to_schema()
        names = list(schema.columns) if columns is None else list(dict.fromkeys(columns))
        if not names:
            raise FeatureStoreError(f"{cls.__name__}: name at least one column, or none for all.")
        cls._check_known(names)
        alternatives = parse_filter(filter, dtypes_of(schema), cls.__name__)
        return names, subset(schema, names), alternatives

    @classmethod
    def _check_known(cls, columns: Sequence[str]) -> None:
        known = cls.to_schema().columns
        if odd := [str(name) for name in columns if name not in known]:
            raise unknown(f"{cls.__name__}: no column", odd, known)

    @classmethod
    def _table(cls, settings: StoreSettings | None) -> StoredTable:
        """The table, with a sample in it if it may have one and is not there yet."""
        settings = settings or StoreSettings.load()
        source = cls.__source__
        dtypes = {name: str(dtype) for name, dtype in dtypes_of(cls.to_schema()).items()}
        table = open_table(source.table, settings, dtypes=dtypes)
        if table.exists():
            return table
        if source.sample is None or not settings.write_samples:
            raise FeatureStoreError(
                f"{cls.__name__}: there is no table {source.table!r} at {table.location}. Say "
                f'where it is: {source.table} = "…" under [stores.tables] in the settings file '
                "(--config)."
            )
        table.write(source.sample())
        say(f"{table.location}: was not there; wrote the made-up sample of {source.table!r}.")
        return table


@dataclass(frozen=True)
class Selection:
    """Columns of one view; `prefix` goes before their names in the result."""

    view: type[FeatureView]
    columns: tuple[str, ...]
    prefix: str = ""

    @property
    def names(self) -> dict[str, str]:
        """What each column is called in the result."""
        return {column: f"{self.prefix}{column}" for column in self.columns}


def as_selections(views: Sequence[type[FeatureView] | Selection]) -> list[Selection]:
    """Views as selections of all their features; no two may give a column of one name.

    Raises:
        FeatureStoreError: there is no view, or two columns of one name.
    """
    if not views:
        raise FeatureStoreError("Name at least one feature view.")
    selections = [view if isinstance(view, Selection) else view.select() for view in views]
    owners: dict[str, str] = {}
    for selection in selections:
        for name in selection.names.values():
            if name in owners:
                raise FeatureStoreError(
                    f"{owners[name]} and {selection.view.__name__} both give a column {name!r}: "
                    "select other columns, or give one a prefix, e.g. "
                    f'{selection.view.__name__}.select("{name}", prefix="…").'
                )
            owners[name] = selection.view.__name__
    return selections
