"""Feature sets: the columns of several views that one model uses, typed and validated.

FEATURES = FeatureSet(
"company_intensity",
FeatureViewCompany["country", "industry", "revenue", "employees"],
FeatureViewCompanyEmissions.select("emissions_t", prefix="last_"),
)
FEATURES.read(as_of="2025-01-01")  # each company, as known on that date
FEATURES.join(entities)            # each entity, as known at its own timestamp
FEATURES.model()                   # a pandera model, for example for an input contract
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import pandas as pd
import pandera.pandas as pa

from data_access_layer.settings import StoreSettings
from feature_store.checks import validate_rows
from feature_store.errors import FeatureStoreError
from feature_store.joins import point_in_time_join
from feature_store.timestamps import Timestamp
from feature_store.view import FeatureView, Selection, to_selections

_NULLABLE = {"bool": "boolean"} | {
    f"{kind}{bits}": f"{kind.replace('i', 'I').replace('u', 'U')}{bits}"
    for kind in ("int", "uint")
    for bits in (8, 16, 32, 64)
}


class FeatureSet:
    """Named columns of one or more views with the same keys.

    A misspelled column raises an error where the set is defined.

    Raises:
        FeatureStoreError: a view has no such column, two columns have the same name (give one a
            prefix: `View.select("revenue", prefix="company_")`), or the views have different keys.
    """

    def __init__(self, name: str, *views: type[FeatureView] | Selection) -> None:
        self.name = name
        self.selections = tuple(to_selections(views))
        first = self.selections[0].view
        self.keys = first.source().keys
        for selection in self.selections[1:]:
            if selection.view.source().keys != self.keys:
                raise FeatureStoreError(
                    f"{name}: expected views with the same keys, got {first.__name__} with "
                    f"{', '.join(self.keys)} and {selection.view.__name__} with "
                    f"{', '.join(selection.view.source().keys)}. Join such views with "
                    "feature_store.joins.point_in_time_join."
                )

    def __repr__(self) -> str:
        return f"FeatureSet({self.name!r}: {', '.join(self.columns)})"

    @property
    def columns(self) -> tuple[str, ...]:
        """The features, in the order of the views, without the keys."""
        return tuple(name for each in self.selections for name in each.names.values())

    def schema(self, *, joined: bool = False) -> pa.DataFrameSchema:
        """The features' types and rules, from their views.

        With `joined`, features may be missing, because an entity may be unknown at its timestamp,
        and integers and booleans have pandas' nullable types.
        """
        return self.model(joined=joined).to_schema()

    def model(self, *, joined: bool = False) -> type[pa.DataFrameModel]:
        """The schema as a pandera model, to inherit from or to use as an annotation."""
        fields: dict[str, Any] = {}
        annotations: dict[str, Any] = {}
        for selection in self.selections:
            for column, name in selection.names.items():
                fields[name], annotations[name] = _field(selection.view, column, joined=joined)
        class_name = "".join(part.capitalize() for part in self.name.split("_"))
        config = type("Config", (), {"name": self.name, "description": f"{self!r}."})
        return type(
            class_name,
            (pa.DataFrameModel,),
            {"__doc__": f"{self!r}.", "__annotations__": annotations, "Config": config, **fields},
        )

    def join(
        self,
        entities: pd.DataFrame,
        *,
        timestamp: str = "event_timestamp",
        tolerance: timedelta | str | None = None,
        settings: StoreSettings | None = None,
    ) -> pd.DataFrame:
        """Add the features to `entities`, see `feature_store.joins.point_in_time_join`."""
        joined = point_in_time_join(
            entities, *self.selections, timestamp=timestamp, tolerance=tolerance, settings=settings
        )
        return validate_rows(joined, self.schema(joined=True), self.name)

    def read(
        self, as_of: Timestamp | None = None, *, settings: StoreSettings | None = None
    ) -> pd.DataFrame:
        """Read one row per entity that the first view has as of a time: the keys, then features.

        `as_of` is a timestamp with a time zone or a date (its 00:00 UTC); None is now. Features of
        another view that has no row of the entity by then are missing.
        """
        timestamp = datetime.now(UTC) if as_of is None else as_of
        frames = [
            each.view.read(
                columns=[*self.keys, *each.columns], as_of=timestamp, settings=settings
            ).rename(columns=each.names)
            for each in self.selections
        ]
        features, *others = frames
        for other in others:
            # Convert before the merge, which would turn integers into floats.
            nullable = {
                name: _NULLABLE[str(dtype)]
                for name, dtype in other.dtypes.items()
                if str(dtype) in _NULLABLE and name not in self.keys
            }
            features = features.merge(
                other.astype(nullable), on=list(self.keys), how="left", validate="1:1"
            )
        return validate_rows(features, self.schema(joined=True), self.name)


def _field(view: type[FeatureView], column: str, *, joined: bool) -> tuple[Any, Any]:
    """The field and annotation of a view's column, for another model."""
    schema = view.to_schema().columns[column]
    annotation = get_type_hints(view, include_extras=True)[column]
    field = copy.copy(view.__fields__[column][1])
    # These include the checks that the view's class adds with `@pa.check`.
    field.checks = list(schema.checks)
    if joined:
        field.nullable, field.nullable_explicit = True, True
        if nullable := _NULLABLE.get(str(schema.dtype.type)):
            annotation = type(pd.api.types.pandas_dtype(nullable))
    return field, annotation
