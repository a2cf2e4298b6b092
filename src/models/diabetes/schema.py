"""The contracts of features and predictions; the input's is in `datasets.diabetes`."""

from __future__ import annotations

import pandera.pandas as pa

from datasets.diabetes import Patients


class PatientFeatures(Patients):
    """Patients with the ratios that the regressor uses in addition to the measurements."""

    non_hdl_mg_dl: float = pa.Field(gt=0, description="Cholesterol that is not HDL, mg/dl.")
    ldl_hdl_ratio: float = pa.Field(gt=0, description="LDL over HDL.")

    class Config:
        strict = True


class Progressions(pa.DataFrameModel):
    """One row per patient, in the order of the input; arbitrary units of about 25 to 346."""

    progression: float = pa.Field(description="Expected progression after one year.")
    progression_lower: float = pa.Field(description="Lower end of the 90 % interval.")
    progression_upper: float = pa.Field(description="Upper end of the 90 % interval.")

    class Config:
        strict = True
