"""The data set that the model learns from."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import DataFrame
from sklearn.datasets import load_diabetes

from cli.task import TaskContext
from datasets.diabetes import LabelledPatients

# scikit-learn's names of the columns, in the order of the contract's.
_NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "target")


@pa.check_types(lazy=True)
def load_patients(_: TaskContext | None = None) -> DataFrame[LabelledPatients]:
    """The 442 patients that scikit-learn ships; datasets/diabetes.py names the source."""
    patients = load_diabetes(as_frame=True, scaled=False).frame
    names = dict(zip(_NAMES, LabelledPatients.to_schema().columns, strict=True))
    return DataFrame[LabelledPatients](patients.rename(columns=names).astype({"sex": "int64"}))
