"""The code of the article that this repository follows.

Tests of its group features are in `derived_features/aggregated_features_test.py`, `python -m` is in
`tests/modelling/task_test.py`, `docker run` in `tests/integration/images_test.py`, of
notebooks in `tests/integration/notebooks_test.py`. `tests/integration/readme_test.py` runs the
command of `docs/pages/modules/tools.md` that draws `feature_store`.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pandas as pd
import pandera.pandas as pa
import pytest
from pandas.testing import assert_frame_equal
from pandera.errors import SchemaError
from pandera.typing import DataFrame

from data_access_layer.settings import StoreSettings
from data_access_layer.stores import open_table
from feature_store.derived_features.row_features import FormulaTransformer
from feature_store.samples.companies import sample_companies
from feature_store.views.company import FeatureViewCompany


class CompanySchema(pa.DataFrameModel):
    revenue: float = pa.Field(ge=0)
    employees: int = pa.Field(gt=0)


class CompanyFeaturesSchema(pa.DataFrameModel):
    revenue_per_capita: float


@pa.check_types
def extract_features(data: DataFrame[CompanySchema]) -> DataFrame[CompanyFeaturesSchema]:
    transformer = FormulaTransformer(formula="revenue_per_capita = revenue / employees")
    return transformer.fit_transform(data)  # type: ignore[no-any-return]


def unchecked(data: pd.DataFrame) -> DataFrame[CompanySchema]:
    """Cast without validation, so that the function must validate."""
    return cast("DataFrame[CompanySchema]", data)


def test_a_function_with_schemas_in_its_signature_validates_input_and_output() -> None:
    companies = pd.DataFrame({"revenue": [100.0, 200.0, 300.0], "employees": [1, 2, 3]})
    expected = pd.DataFrame({"revenue_per_capita": [100.0, 100.0, 100.0]})
    assert_frame_equal(extract_features(unchecked(companies)), expected)
    with pytest.raises(SchemaError, match=r"'employees' failed .*greater_than"):
        extract_features(unchecked(companies.assign(employees=[1, 0, 3])))
    with pytest.raises(SchemaError, match="column 'revenue' not in dataframe"):
        extract_features(unchecked(companies.drop(columns="revenue")))


@pa.check_types
def largest(companies: DataFrame[FeatureViewCompany]) -> DataFrame[FeatureViewCompany]:
    return companies.nlargest(3, "revenue")


def test_a_feature_view_is_read_as_a_checked_frame(repository: Path) -> None:
    open_table("companies", StoreSettings.load()).write(sample_companies(200))
    companies = FeatureViewCompany.read()
    assert {"company_id", "industry", "revenue", "employees"} <= set(companies)
    FeatureViewCompany.validate(companies, lazy=True)
    assert largest(companies)["revenue"].iloc[0] == companies["revenue"].max()
    with pytest.raises(SchemaError, match="'revenue'"):
        largest(companies.assign(revenue=-1.0))
    per_head = FormulaTransformer(formula="revenue_per_capita = revenue / employees")
    assert list(per_head.fit_transform(companies)) == ["revenue_per_capita"]
