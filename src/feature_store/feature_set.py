"""Feature sets: the columns of several views that one model takes, still typed and checked.

FEATURES = FeatureSet(
"company_intensity",
FeatureViewCompany["country", "industry", "revenue", "employees"],
FeatureViewCompanyEmissions.select("emissions_t", prefix="last_"),
)
FEATURES.read(as_of="2025-01-01")  # every company, as it was known then
FEATURES.join(entities)            # each entity, as it was known at its own time
FEATURES.model()                   # a pandera model, e.g. for a model's input contract
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import pandas as pd
import pandera.pandas as pa

from data_access_layer.settings import StoreSettings
from feature_store.checks import checked
from feature_store.errors import FeatureStoreError
from feature_store.joins import point_in_time_join
from feature_store.moments import Moment
from feature_store.view import FeatureView, Selection, as_selections

_NULLABLE = {"bool": "boolean"} | {
    f"{kind}{bits}": f"{kind.replace('i', 'I').replace('u', 'U')}{bits}"
    for kind in ("int", "uint")
    for bits in (8, 16, 32, 64)
}


class FeatureSet:
    """Named columns of one or more views about the same entities.

    Columns and names are checked here, so a misspelt column fails where the set is defined.

    Raises:
        FeatureStoreError: a view has no such column, two columns have one name (give one a prefix:
            `View.select("revenue", prefix="company_")`), or the views have different keys.
    """

    def __init__(self, name: str, *views: type[FeatureView] | Selection) -> None:
        self.name = name
        self.selections = tuple(as_selections(views))
        first = self.selections[0].view
        self.keys = first.source().keys
        for selection in self.selections[1:]:
            if selection.view.source().keys != self.keys:
                raise FeatureStoreError(
                    f"{name}: {first.__name__} is about {', '.join(self.keys)}, and "
                    f"{selection.view.__name__} about {', '.join(selection.view.source().keys)}; "
                    "a feature set has views of the same keys. Join others with "
                    "feature_store.joins.point_in_time_join."
                )

    def __repr__(self) -> str:
        return f"FeatureSet({self.name!r}: {', '.join(self.columns)})"

    @property
    def columns(self) -> tuple[str, ...]:
        """The features, in the order of the views, without the keys."""
        return tuple(name for each in self.selections for name in each.names.values())

    def schema(self, *, joined: bool = False) -> pa.DataFrameSchema:
        """The features' types and rules, as their views have them.

        With `joined`, as a join gives them: any may be missing, because an entity may be unknown at
        its time, and whole numbers and booleans are pandas' nullable ones.
        """
        return self.model(joined=joined).to_schema()

    def model(self, *, joined: bool = False) -> type[pa.DataFrameModel]:
        """The schema as a pandera model, which can be inherited from and used as an annotation."""
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
        """Put the features beside `entities`, see `feature_store.joins.point_in_time_join`."""
        joined = point_in_time_join(
            entities, *self.selections, timestamp=timestamp, tolerance=tolerance, settings=settings
        )
        return checked(joined, self.schema(joined=True), self.name)

    def read(
        self, as_of: Moment | None = None, *, settings: StoreSettings | None = None
    ) -> pd.DataFrame:
        """One row per entity that the first view knew at a moment: the keys, then the features.

        `as_of` is a moment with a time zone or a date (its 00:00 UTC); None is now. An entity that
        another view did not know then has missing features.
        """
        moment = datetime.now(UTC) if as_of is None else as_of
        frames = [
            each.view.read(
                columns=[*self.keys, *each.columns], as_of=moment, settings=settings
            ).rename(columns=each.names)
            for each in self.selections
        ]
        features, *others = frames
        for other in others:
            # Before the merge, which would make floating-point numbers of whole ones.
            nullable = {
                name: _NULLABLE[str(dtype)]
                for name, dtype in other.dtypes.items()
                if str(dtype) in _NULLABLE and name not in self.keys
            }
            features = features.merge(
                other.astype(nullable), on=list(self.keys), how="left", validate="1:1"
            )
        return checked(features, self.schema(joined=True), self.name)


def _field(view: type[FeatureView], column: str, *, joined: bool) -> tuple[Any, Any]:
    """A column of a view as a field of another model, and its annotation."""
    schema = view.to_schema().columns[column]
    annotation = get_type_hints(view, include_extras=True)[column]
    field = copy.copy(view.__fields__[column][1])
    # Those that the view's class adds with `@pa.check` are among them.
    field.checks = list(schema.checks)
    if joined:
        field.nullable, field.nullable_explicit = True, True
        if nullable := _NULLABLE.get(str(schema.dtype.type)):
            annotation = type(pd.api.types.pandas_dtype(nullable))
    return field, annotation
