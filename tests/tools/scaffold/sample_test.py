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
from tools.scaffold.code_names import Names, literal
from tools.scaffold.example import example_rows
from tools.scaffold.sample import KEPT_ROWS, Kind, choose_target, describe, read_sample
from tools.scaffold.sample_checks import LEAST_OF_CLASS

COUNT = 40
LABEL = pd.Series(["no", "yes"] * (COUNT // 2), dtype="str")


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"usage": np.arange(COUNT) / 4, **columns, "label": LABEL})


def described(rows: pd.DataFrame, kind: Kind = "classification", **options: str) -> dict[str, Any]:
    target = options.pop("target", "label")
    return describe(rows, source="s.csv", kind=kind, target=target, **options).answers


def column(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (one for one in described(rows)["columns"] if one["name"] == literal(name))
    return found


def test_a_number_has_the_samples_range_and_is_floating_point_where_it_may_be_missing() -> None:
    calls = pd.array([None, *range(1, COUNT)], dtype="Int64")
    common = {"alias": False, "role": "number", "choices": []}
    assert column(table(calls=calls), "calls") == {
        **common,
        "name": '"calls"',
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


def test_the_kept_rows_have_the_dtypes_that_the_contract_says() -> None:
    calls = pd.array([None, *range(1, COUNT)], dtype="Int64")
    sample = describe(table(calls=calls), source="s.csv", kind="classification", target="label")
    assert dict(sample.rows.dtypes.astype("str")) == {
        "usage": "float64",
        "calls": "float64",
        "label": "str",
    }


def test_few_texts_are_categories_and_dates_and_truth_values_become_numbers() -> None:
    rows = table(
        plan=pd.Series(["pro", None] * (COUNT // 2), dtype="str"),
        day=pd.date_range("2024-01-01", periods=COUNT, unit="us"),
        moment=pd.date_range("2024-01-01", periods=COUNT, tz="UTC", unit="us"),
        active=[True, False] * (COUNT // 2),
        maybe=pd.array([True, None] * (COUNT // 2), dtype="boolean"),
    )
    plan = column(rows, "plan")
    assert (plan["type"], plan["nullable"], plan["choices"]) == ("str", True, ['"pro"'])
    assert column(rows, "day")["type"] == "pd.Timestamp"
    assert column(rows, "day")["year"] == '"day_year"'
    assert column(rows, "moment")["type"] == 'Annotated[pd.DatetimeTZDtype, "us", "UTC"]'
    assert column(rows, "active")["type"] == "bool"
    assert column(rows, "active")["number"] == '"active_number"'
    assert column(rows, "maybe")["type"] == "pd.BooleanDtype"


def test_what_teaches_nothing_is_left_out_with_the_reason() -> None:
    rows = table(
        same=1,
        empty=pd.Series([None] * COUNT, dtype="str"),
        comment=[f"said {number}" for number in range(COUNT)],
        endless=[np.inf, *range(COUNT - 1)],
    ).astype({"comment": "str"})
    answers = described(rows)
    assert [one["name"] for one in answers["columns"]] == ['"usage"']
    assert answers["left_out"] == [
        {"name": '"same"', "reason": "the same value in all rows"},
        {"name": '"empty"', "reason": "no values"},
        {"name": '"comment"', "reason": "40 different texts"},
        {"name": '"endless"', "reason": "infinite values"},
    ]


def test_what_identifies_a_row_is_no_input_and_groups_rows_where_it_repeats() -> None:
    once = described(table(key=range(COUNT)), identifier="key")
    assert once["identifier"] == {
        "name": '"key"',
        "attribute": "key",
        "alias": False,
        "type": "int",
        "unique": True,
    }
    assert [one["name"] for one in once["columns"]] == ['"usage"']
    twice = described(table(key=np.arange(COUNT) // 2), identifier="key")
    assert not twice["identifier"]["unique"]


def test_columns_get_attributes_that_a_contract_can_have() -> None:
    names = Names()
    given = ["TotalCharges", "total charges", "class", "validate", "float", "2020", "%", "café"]
    attributes = [names.attribute(name) for name in given]
    assert attributes == [
        *("total_charges", "total_charges_2", "class_", "validate_", "float_2"),
        *("column_2020", "column", "cafe"),
    ]
    assert all(name.isidentifier() and not hasattr(pa.DataFrameModel, name) for name in attributes)


def test_an_attribute_leaves_room_for_what_is_computed_from_its_column() -> None:
    names = Names()
    assert names.attribute("day_year") == "day_year"
    assert names.attribute("day", ("year", "month")) == "day_2"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plan", '"plan"'),
        ("it's", '"it\'s"'),
        ('say "hi"', "'say \"hi\"'"),
        ("both \" and '", '"both \\" and \'"'),
        ("a\\b\n", '"a\\\\b\\n"'),
        ("Größe", '"Größe"'),
        # A dash that looks like another, and a letter that looks like a Latin one.
        ("a \u2013 \u0416", '"a \\u2013 \\u0416"'),
    ],
)
def test_a_text_in_code_is_that_text(text: str, code: str) -> None:
    assert literal(text) == code
    assert ast.literal_eval(code) == text


def test_the_label_is_the_models_namesake_or_the_last_column() -> None:
    assert choose_target(["churn", "plan"], "churn") == "churn"
    assert choose_target(["plan", "left"], "churn") == "left"


def test_a_class_is_the_text_that_stands_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("usage,label\n" + "1.5,01\n2.5,true\n" * LEAST_OF_CLASS)
    answers = described(read_sample(str(file), ["label"]))
    assert [one["name"] for one in answers["classes"]] == ['"01"', '"true"']
    numbers = table().assign(label=[0, 1] * (COUNT // 2))
    assert [one["name"] for one in described(numbers)["classes"]] == ['"0"', '"1"']


def test_rows_without_a_label_are_left_out_and_counted() -> None:
    rows = table()
    rows.loc[:4, "label"] = None
    sample = describe(rows, source="s.csv", kind="classification", target="label")
    assert (sample.total, sample.unlabelled, len(sample.rows)) == (COUNT, 5, COUNT - 5)


def test_of_a_large_sample_a_part_with_every_class_is_kept_and_the_range_is_of_all() -> None:
    count = 20_000
    label = pd.Series(["rare"] * 12 + ["common"] * (count - 12), dtype="str")
    rows = pd.DataFrame({"usage": np.arange(count, dtype="float64"), "label": label})
    sample = describe(rows, source="s.csv", kind="classification", target="label")
    assert sample.rows["label"].value_counts()["rare"] == LEAST_OF_CLASS
    assert abs(len(sample.rows) - KEPT_ROWS) <= LEAST_OF_CLASS
    assert sample.rows["usage"].is_monotonic_increasing
    assert sample.answers["columns"][0]["high"] == "19999.0"


NUMBERS = table().assign(label=np.arange(COUNT) * 2)


def test_a_number_is_the_label_of_a_regression() -> None:
    target = described(NUMBERS, "regression")["target"]
    assert (target["low"], target["high"]) == ("0.0", "78.0")
    assert target["lower"] == '"label_lower"'


REFUSED: dict[str, tuple[pd.DataFrame, Kind, dict[str, str], str]] = {
    "no such label": (
        table(),
        "classification",
        {"target": "lable"},
        "s.csv: --target: there is no column 'lable'; did you mean 'label'?",
    ),
    "no such identifier": (
        table(),
        "classification",
        {"identifier": "zzz"},
        "s.csv: --id: there is no column 'zzz'; there are usage, label.",
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
        "column 'label' has no values: expected a label in each row to learn from.",
    ),
    "a constant label": (
        table().assign(label="yes"),
        "classification",
        {},
        "column 'label' is 'yes' in each row that has a label: there is nothing to learn.",
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
        "--id: column 'key': expected at least 10 different ones, got 2.",
    ),
    "nothing to learn from": (
        table()[["label"]].assign(same=1),
        "classification",
        {},
        's.csv: no column is left to learn from: "same" has the same value in all rows.',
    ),
    "a name that is computed": (
        table(day=pd.date_range("2024-01-01", periods=COUNT, unit="us"), day_year=range(COUNT)),
        "classification",
        {},
        "column 'day_year': the model computes one of that name. Rename it.",
    ),
    "a label that is named as an output": (
        table().rename(columns={"label": "probability_of_label"}),
        "classification",
        {"target": "probability_of_label"},
        "the model's outputs are named probability_… Rename it.",
    ),
    "an index without a name": (
        table().reset_index(names=""),
        "classification",
        {},
        "s.csv: column 1 has no name; pandas writes an index so. Name it, or leave the index out: "
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
        ('"age"', "age", "0"),
        ('"Age"', "age_2", "1"),
    ]


@pytest.mark.parametrize(("rows", "kind", "options", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_learnt_from_is_refused(
    rows: pd.DataFrame, kind: Kind, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        described(rows, kind, **options)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_example_can_be_learnt_from_and_is_always_the_same(kind: Kind) -> None:
    rows = example_rows(kind)
    answers = described(rows, kind, target=str(rows.columns[-1]), identifier="customer_id")
    roles = {one["role"] for one in answers["columns"]}
    assert roles == {"category", "number", "boolean", "date"}
    pd.testing.assert_frame_equal(rows, example_rows(kind))
