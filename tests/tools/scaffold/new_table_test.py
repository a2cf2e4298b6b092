"""What `new-dataset` and `new-feature-view` refuse and ask."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from support.tasks import CallTask
from tools.scaffold import new_dataset, new_feature_view
from tools.scaffold.new_feature_view import NewFeatureViewSettings
from tools.scaffold.questions import ask, ask_for_view
from tools.scaffold.template import FEATURE_VIEW

ROWS = "shop_id,day,staff\n1,2024-01-01,3\n2,2024-01-02,4\n"


@pytest.fixture
def clone(repository: Path) -> Path:
    """A repository with an empty contract, view and test."""
    for path in (
        "src/datasets/flowers.py",
        "src/feature_store/views/company.py",
        "tests/feature_store/filters_test.py",
    ):
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).touch()
    (repository / "rows.csv").write_text(ROWS)
    return repository


def refused(clone: Path, call: CallTask, main: Any, *argv: str) -> str:
    """The one message of a call that exits with 2 and writes nothing."""
    before = sorted(clone.rglob("*"))
    result = call(main, *argv)
    assert (result.code, result.out) == (2, ""), result
    assert sorted(clone.rglob("*")) == before
    assert result.err.count("\n") == 1
    return result.err


@pytest.mark.parametrize("name", ["Customers", "2nd", "class"])
def test_an_invalid_name_is_refused(clone: Path, call: CallTask, name: str) -> None:
    for main, kind in ((new_dataset.main, "a dataset"), (new_feature_view.main, "a feature view")):
        assert f"{name!r} is not a valid name for {kind}." in refused(clone, call, main, name)


def test_a_taken_name_is_refused(clone: Path, call: CallTask) -> None:
    said = refused(clone, call, new_dataset.main, "flowers")
    assert said == "'flowers': src/datasets/flowers.py already exists. Choose another name.\n"
    said = refused(clone, call, new_feature_view.main, "company")
    assert "src/feature_store/views/company.py already exists" in said
    said = refused(clone, call, new_feature_view.main, "filters")
    assert "tests/feature_store/filters_test.py already exists" in said


def test_an_unreadable_sample_is_refused(clone: Path, call: CallTask) -> None:
    (clone / "half.parquet").write_bytes(b"PAR1")
    for main in (new_dataset.main, new_feature_view.main):
        said = refused(clone, call, main, "shops", "--data", "gone.csv")
        assert "gone.csv: cannot be read: No such file or directory." in said
        said = refused(clone, call, main, "shops", "--data", "half.parquet")
        assert "not a complete Parquet file" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--key", "shop"), "--key: there is no column 'shop'. Did you mean 'shop_id'?"),
        (("--timestamp", "staff"), "column 'staff': expected timestamps such as 2024-01-31"),
        (("--key", "day"), "'day' cannot be both --key and --timestamp"),
        (("--key", "shop_id,staff"), "no column is left that could be a feature"),
    ],
)
def test_columns_that_cannot_be_in_a_row_key_are_refused(
    clone: Path, call: CallTask, options: tuple[str, ...], message: str
) -> None:
    argv = ("shops", "--data", "rows.csv", *options)
    assert message in refused(clone, call, new_feature_view.main, *argv)


def test_missing_options_without_a_terminal_are_refused(clone: Path, call: CallTask) -> None:
    for main in (new_dataset.main, new_feature_view.main):
        assert "The name is missing. Example:" in refused(clone, call, main)
    said = refused(clone, call, new_feature_view.main, "shops", "--key", "shop_id")
    assert "Name the sample with --data" in said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_questions_repeat_until_the_answer_is_valid(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["company", "shops", "gone.csv", "rows.csv", "", "", ""]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(answers) + "\n"))
    given = NewFeatureViewSettings()
    asked = ask(given, ask_for_view(given, clone, FEATURE_VIEW), command="")
    assert asked == NewFeatureViewSettings(
        name="shops", data="rows.csv", key="shop_id", timestamp="day"
    )
    assert "gone.csv: cannot be read" in capsys.readouterr().err
