"""The data set that the model is trained on."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.datasets import load_diabetes

from cli.task import TaskContext
from datasets.diabetes import LabelledPatients

# scikit-learn's column names, in the order of the contract's columns.
_NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "target")


@pa.check_types(lazy=True)
def load_patients(_: TaskContext | None = None) -> DataFrame[LabelledPatients]:
    """Load the 442 patients that scikit-learn ships; datasets/diabetes.py names the source."""
    patients = load_diabetes(as_frame=True, scaled=False).frame
    names = dict(zip(_NAMES, LabelledPatients.to_schema().columns, strict=True))
    return DataFrame[LabelledPatients](patients.rename(columns=names).astype({"sex": "int64"}))
