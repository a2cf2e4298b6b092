"""Patients with diabetes: ten measurements, and the progression of the disease within a year.

Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least angle regression", Annals of
Statistics 32 (2004), 407-499. scikit-learn ships it as `load_diabetes(scaled=False)`; its column
names are in parentheses below. Ranges are wider than in the study: they exclude values that no
human can have, such as typing errors and wrong units.
"""

from __future__ import annotations

import pandera.pandas as pa

_MG_DL = {"unit": "mg/dl"}


class Patients(pa.DataFrameModel):
    """One row per patient, all measured on the same day. Additional columns are kept."""

    age_years: float = pa.Field(ge=0, le=120, description="Age (age).", metadata={"unit": "years"})
    sex: int = pa.Field(
        isin=(1, 2), description="Sex, as the study codes it; it does not say which is which (sex)."
    )
    bmi_kg_m2: float = pa.Field(
        gt=5, le=100, description="Body mass index (bmi).", metadata={"unit": "kg/m²"}
    )
    blood_pressure_mmhg: float = pa.Field(
        gt=20, le=250, description="Mean arterial blood pressure (bp).", metadata={"unit": "mmHg"}
    )
    total_cholesterol_mg_dl: float = pa.Field(
        gt=0, le=1000, description="Total cholesterol in serum (s1, tc).", metadata=_MG_DL
    )
    ldl_mg_dl: float = pa.Field(
        gt=0, le=1000, description="Low-density lipoproteins in serum (s2, ldl).", metadata=_MG_DL
    )
    hdl_mg_dl: float = pa.Field(
        gt=0, le=300, description="High-density lipoproteins in serum (s3, hdl).", metadata=_MG_DL
    )
    cholesterol_hdl_ratio: float = pa.Field(
        gt=0, le=50, description="Total cholesterol divided by HDL, rounded for most (s4, tch)."
    )
    log_triglycerides: float = pa.Field(
        gt=0,
        le=10,
        description="Natural logarithm of triglycerides in serum (s5, ltg).",
        metadata={"unit": "ln(mg/dl)"},
    )
    glucose_mg_dl: float = pa.Field(
        gt=0, le=1000, description="Glucose in blood (s6, glu).", metadata=_MG_DL
    )

    class Config:
        name = "patients"
        description = "One row per patient with diabetes, all measured on the same day."
        metadata = {"version": "1.0.0", "owner": "data-science"}
        strict = False


class LabelledPatients(Patients):
    """Patients with a follow-up a year later."""

    progression: float = pa.Field(
        ge=0,
        le=500,
        description="Progression of the disease within a year of the measurements; "
        "the study's own score, 25 (least) to 346 among its patients.",
    )

    class Config:
        name = "labelled_patients"
        description = "One row per patient with diabetes and a follow-up a year later."
        metadata = {"version": "1.0.0", "owner": "data-science"}
