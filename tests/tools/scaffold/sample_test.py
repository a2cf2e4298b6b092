from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from cli.errors import InputError
from tools.scaffold.code_names import AttributeNames, literal
from tools.scaffold.example import example_rows
from tools.scaffold.sample import KEPT_ROWS, Kind, choose_target, describe_sample, read_sample
from tools.scaffold.sample_checks import MIN_ROWS_PER_CLASS

COUNT = 40
LABEL = pd.Series(["no", "yes"] * (COUNT // 2), dtype="str")


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"usage": np.arange(COUNT) / 4, **columns, "label": LABEL})


def described(rows: pd.DataFrame, kind: Kind = "classification", **options: str) -> dict[str, Any]:
    target = options.pop("target", "label")
    return describe_sample(rows, source="s.csv", kind=kind, target=target, **options).template_data


def column(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (one for one in described(rows)["columns"] if one["name"] == literal(name))
    return found


def test_a_number_has_the_samples_range_and_is_a_float_if_nullable() -> None:
    calls = pd.array([None, *range(1, COUNT)], dtype="Int64")
    common = {"alias": False, "role": "number", "choices": []}
    assert column(table(calls=calls), "calls") == {
        **common,
        "name": "'calls'",
        "attribute": "calls",
        "type": "float",
        "nullable": True,
        "low": "1.0",
        "high": "39.0",
    }
    whole = column(table(calls=range(COUNT)), "calls")
    assert (whole["type"], whole["nullable"], whole["low"], whole["high"]) == (
        "int",
        False,
        "0",
        "39",
    )


def test_the_kept_rows_have_the_dtypes_of_the_contract() -> None:
    calls = pd.array([None, *range(1, COUNT)], dtype="Int64")
    sample = describe_sample(
        table(calls=calls), source="s.csv", kind="classification", target="label"
    )
    assert dict(sample.rows.dtypes.astype("str")) == {
        "usage": "float64",
        "calls": "float64",
        "label": "str",
    }


def test_few_texts_are_categories_and_dates_and_booleans_become_numbers() -> None:
    rows = table(
        plan=pd.Series(["pro", None] * (COUNT // 2), dtype="str"),
        day=pd.date_range("2024-01-01", periods=COUNT, unit="us"),
        moment=pd.date_range("2024-01-01", periods=COUNT, tz="UTC", unit="us"),
        active=[True, False] * (COUNT // 2),
        maybe=pd.array([True, None] * (COUNT // 2), dtype="boolean"),
    )
    plan = column(rows, "plan")
    assert (plan["type"], plan["nullable"], plan["choices"]) == ("str", True, ["'pro'"])
    assert column(rows, "day")["type"] == "pd.Timestamp"
    assert column(rows, "day")["year"] == "'day_year'"
    assert column(rows, "moment")["type"] == 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
    assert column(rows, "active")["type"] == "bool"
    assert column(rows, "active")["number"] == "'active_number'"
    assert column(rows, "maybe")["type"] == "pd.BooleanDtype"


def test_useless_columns_are_left_out_with_the_reason() -> None:
    rows = table(
        same=1,
        empty=pd.Series([None] * COUNT, dtype="str"),
        comment=[f"said {number}" for number in range(COUNT)],
        endless=[np.inf, *range(COUNT - 1)],
    ).astype({"comment": "str"})
    answers = described(rows)
    assert [one["name"] for one in answers["columns"]] == ["'usage'"]
    assert answers["left_out"] == [
        {"name": "'same'", "reason": "the same value in all rows"},
        {"name": "'empty'", "reason": "no values"},
        {"name": "'comment'", "reason": "40 different texts"},
        {"name": "'endless'", "reason": "infinite values"},
    ]


def test_an_identifier_is_not_an_input_and_groups_rows_if_it_repeats() -> None:
    once = described(table(key=range(COUNT)), identifier="key")
    assert once["identifier"] == {
        "name": "'key'",
        "attribute": "key",
        "alias": False,
        "type": "int",
        "unique": True,
    }
    assert [one["name"] for one in once["columns"]] == ["'usage'"]
    twice = described(table(key=np.arange(COUNT) // 2), identifier="key")
    assert not twice["identifier"]["unique"]


def test_columns_get_valid_attributes_of_a_contract() -> None:
    names = AttributeNames()
    given = ["TotalCharges", "total charges", "class", "validate", "float", "2020", "%", "café"]
    attributes = [names.add(name) for name in given]
    assert attributes == [
        *("total_charges", "total_charges_2", "class_", "validate_", "float_2"),
        *("column_2020", "column", "cafe"),
    ]
    assert all(name.isidentifier() and not hasattr(pa.DataFrameModel, name) for name in attributes)


def test_an_attribute_reserves_the_names_of_computed_columns() -> None:
    names = AttributeNames()
    assert names.add("day_year") == "day_year"
    assert names.add("day", ("year", "month")) == "day_2"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plan", "'plan'"),
        ("it's", '"it\'s"'),
        ('say "hi"', "'say \"hi\"'"),
        ("both \" and '", "'both \" and \\''"),
        ("a\\b\n", r"'a\\b\n'"),
        ("Größe", "'Größe'"),
        # A dash that looks like another, and a letter that looks like a Latin one.
        ("a \u2013 \u0416", r"'a \u2013 \u0416'"),
    ],
)
def test_a_literal_evaluates_to_its_string(text: str, code: str) -> None:
    assert literal(text) == code
    assert ast.literal_eval(code) == text


def test_the_default_label_has_the_models_name_or_is_the_last_column() -> None:
    assert choose_target(["churn", "plan"], "churn") == "churn"
    assert choose_target(["plan", "left"], "churn") == "left"


def test_a_class_is_the_string_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("usage,label\n" + "1.5,01\n2.5,true\n" * MIN_ROWS_PER_CLASS)
    answers = described(read_sample(str(file), ["label"]))
    assert [one["name"] for one in answers["classes"]] == ["'01'", "'true'"]
    numbers = table().assign(label=[0, 1] * (COUNT // 2))
    assert [one["name"] for one in described(numbers)["classes"]] == ["'0'", "'1'"]


def test_rows_without_a_label_are_left_out_and_counted() -> None:
    rows = table()
    rows.loc[:4, "label"] = None
    sample = describe_sample(rows, source="s.csv", kind="classification", target="label")
    assert (sample.total, sample.unlabelled, len(sample.rows)) == (COUNT, 5, COUNT - 5)


def test_a_part_of_a_large_sample_is_kept_with_every_class_and_the_whole_range() -> None:
    count = 20_000
    label = pd.Series(["rare"] * 12 + ["common"] * (count - 12), dtype="str")
    rows = pd.DataFrame({"usage": np.arange(count, dtype="float64"), "label": label})
    sample = describe_sample(rows, source="s.csv", kind="classification", target="label")
    assert sample.rows["label"].value_counts()["rare"] == MIN_ROWS_PER_CLASS
    assert abs(len(sample.rows) - KEPT_ROWS) <= MIN_ROWS_PER_CLASS
    assert sample.rows["usage"].is_monotonic_increasing
    assert sample.template_data["columns"][0]["high"] == "19999.0"


NUMBERS = table().assign(label=np.arange(COUNT) * 2)


def test_the_label_of_a_regression_is_a_number() -> None:
    target = described(NUMBERS, "regression")["target"]
    assert (target["low"], target["high"]) == ("0.0", "78.0")
    assert target["lower"] == "'label_lower'"


REFUSED: dict[str, tuple[pd.DataFrame, Kind, dict[str, str], str]] = {
    "no such label": (
        table(),
        "classification",
        {"target": "lable"},
        "s.csv: --target: there is no column 'lable'. Did you mean 'label'?",
    ),
    "no such identifier": (
        table(),
        "classification",
        {"identifier": "zzz"},
        "s.csv: --id: there is no column 'zzz'. Columns: usage, label.",
    ),
    "one column for both": (
        table(),
        "classification",
        {"identifier": "label"},
        "s.csv: 'label' cannot be both --target and --id.",
    ),
    "no labels": (
        table().assign(label=pd.Series([None] * COUNT, dtype="str")),
        "classification",
        {},
        "column 'label' has no values. Expected a label in each row to learn from.",
    ),
    "a constant label": (
        table().assign(label="yes"),
        "classification",
        {},
        "column 'label' is 'yes' in each row that has a label. Expected at least two "
        "different labels.",
    ),
    "a rare class": (
        table().assign(label=pd.Series(["no"] * (COUNT - 3) + ["yes"] * 3, dtype="str")),
        "classification",
        {},
        "expected at least 10 rows of each class, got 3 of 'yes'.",
    ),
    "a number as class": (
        NUMBERS,
        "classification",
        {},
        "has 40 different values, expected at most 30 classes. Choose another column, or --kind "
        "regression for a number.",
    ),
    "a class as number": (
        table(),
        "regression",
        {},
        "expected numbers, got e.g. 'no'. Choose another column, or --kind classification.",
    ),
    "few numbers": (
        NUMBERS.head(29),
        "regression",
        {},
        "column 'label': expected at least 30 labels, got 29.",
    ),
    "an endless number": (
        NUMBERS.assign(label=[np.inf, *range(COUNT - 1)]),
        "regression",
        {},
        "expected finite numbers, got an infinite one.",
    ),
    "an identifier with gaps": (
        table(key=pd.array([None, *range(COUNT - 1)], dtype="Int64")),
        "classification",
        {"identifier": "key"},
        "--id: column 'key': expected no missing values, got 1.",
    ),
    "no identifier": (
        table(key=[0, 1] * (COUNT // 2)),
        "classification",
        {"identifier": "key"},
        "--id: column 'key': expected at least 10 different values, got 2.",
    ),
    "nothing to learn from": (
        table()[["label"]].assign(same=1),
        "classification",
        {},
        "s.csv: no column is left to learn from: 'same' has the same value in all rows.",
    ),
    "a name that is computed": (
        table(day=pd.date_range("2024-01-01", periods=COUNT, unit="us"), day_year=range(COUNT)),
        "classification",
        {},
        "column 'day_year': the model computes a feature with this name. Rename the column.",
    ),
    "a label that is named as an output": (
        table().rename(columns={"label": "probability_of_label"}),
        "classification",
        {"target": "probability_of_label"},
        "names with probability_ are reserved for the model's outputs. Rename the column.",
    ),
    "an index without a name": (
        table().reset_index(names=""),
        "classification",
        {},
        "s.csv: column 1 has no name. Name it. If it is an index that pandas wrote, leave it out: "
        "to_csv(…, index=False).",
    ),
    "a long name": (
        table(**{"x" * 61: range(COUNT)}),
        "classification",
        {},
        "expected a name of 1 to 60 printable characters",
    ),
}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_columns_that_differ_by_case_keep_their_names(tmp_path: Path, ending: str) -> None:
    rows = table(age=range(COUNT), Age=range(1, COUNT + 1))
    file = tmp_path / f"rows.{ending}"
    {
        "csv": lambda: rows.to_csv(file, index=False),
        "jsonl": lambda: rows.to_json(file, orient="records", lines=True),
        "parquet": lambda: rows.to_parquet(file),
    }[ending]()
    read = read_sample(str(file))
    assert list(read.columns) == ["usage", "age", "Age", "label"]
    columns = described(read)["columns"]
    assert [(one["name"], one["attribute"], one["low"]) for one in columns[1:]] == [
        ("'age'", "age", "0"),
        ("'Age'", "age_2", "1"),
    ]


@pytest.mark.parametrize(("rows", "kind", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_an_unusable_sample_is_refused(
    rows: pd.DataFrame, kind: Kind, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        described(rows, kind, **options)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_example_is_usable_and_deterministic(kind: Kind) -> None:
    rows = example_rows(kind)
    answers = described(rows, kind, target=str(rows.columns[-1]), identifier="customer_id")
    roles = {one["role"] for one in answers["columns"]}
    assert roles == {"category", "number", "boolean", "date"}
    pd.testing.assert_frame_equal(rows, example_rows(kind))
