"""What `new-dataset` and `new-feature-view` refuse, and ask."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from support.tasks import CallTask
from tools.scaffold import new_dataset, new_feature_view
from tools.scaffold.new_feature_view import NewFeatureViewSettings
from tools.scaffold.questions import ask, view_answers
from tools.scaffold.template import FEATURE_VIEW

ROWS = "shop_id,day,staff\n1,2024-01-01,3\n2,2024-01-02,4\n"


@pytest.fixture
def clone(repository: Path) -> Path:
    """A repository with a contract, a view and a test, but for their contents."""
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
def test_a_name_that_is_none_is_refused(clone: Path, call: CallTask, name: str) -> None:
    for main, kind in ((new_dataset.main, "a dataset"), (new_feature_view.main, "a feature view")):
        assert f"{name!r} cannot be {kind}'s name" in refused(clone, call, main, name)


def test_a_name_that_something_has_is_refused(clone: Path, call: CallTask) -> None:
    said = refused(clone, call, new_dataset.main, "flowers")
    assert said == "'flowers': src/datasets/flowers.py is there already. Choose another name.\n"
    said = refused(clone, call, new_feature_view.main, "company")
    assert "src/feature_store/views/company.py is there already" in said
    said = refused(clone, call, new_feature_view.main, "filters")
    assert "tests/feature_store/filters_test.py is there already" in said


def test_a_sample_that_is_none_is_refused(clone: Path, call: CallTask) -> None:
    (clone / "half.parquet").write_bytes(b"PAR1")
    for main in (new_dataset.main, new_feature_view.main):
        said = refused(clone, call, main, "shops", "--data", "gone.csv")
        assert "gone.csv: cannot be read: No such file or directory." in said
        said = refused(clone, call, main, "shops", "--data", "half.parquet")
        assert "not a whole Parquet file" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--key", "shop"), "--key: there is no column 'shop'; did you mean 'shop_id'?"),
        (("--timestamp", "staff"), "column 'staff': expected moments such as 2024-01-31"),
        (("--key", "day"), "'day' cannot be both --key and --timestamp"),
        (("--key", "shop_id,staff"), "no column is left that would be a feature"),
    ],
)
def test_columns_that_cannot_place_a_row_are_refused(
    clone: Path, call: CallTask, options: tuple[str, ...], message: str
) -> None:
    argv = ("shops", "--data", "rows.csv", *options)
    assert message in refused(clone, call, new_feature_view.main, *argv)


def test_what_is_not_said_and_cannot_be_asked_is_refused(clone: Path, call: CallTask) -> None:
    for main in (new_dataset.main, new_feature_view.main):
        assert "Name what to start" in refused(clone, call, main)
    said = refused(clone, call, new_feature_view.main, "shops", "--key", "shop_id")
    assert "name it with --data" in said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_asked_until_the_answers_fit(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["company", "shops", "gone.csv", "rows.csv", "", "", ""]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(answers) + "\n"))
    given = NewFeatureViewSettings()
    asked = ask(given, view_answers(given, clone, FEATURE_VIEW), command="")
    assert asked == NewFeatureViewSettings(
        name="shops", data="rows.csv", key="shop_id", timestamp="day"
    )
    assert "gone.csv: cannot be read" in capsys.readouterr().err
