"""What starts and updates things refuses, and asks; tests/integration has what it writes."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from support.tasks import CallTask
from tools.scaffold import new_model, update_from_template
from tools.scaffold.new_model import NewModelSettings
from tools.scaffold.questions import ask, model_answers
from tools.scaffold.template import MODEL

ROWS = "usage,plan,churned\n" + "1.5,basic,no\n2.5,pro,yes\n" * 10
KIND = ("--kind", "classification")


def files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def clone(repository: Path) -> Path:
    """A repository with some modules and contracts, but for their contents."""
    for path in (
        "src/cli/errors.py",
        "src/models/iris/definition.py",
        "src/models/predict.py",
        "src/datasets/flowers.py",
        "src/datasets/contracts/patients.yaml",
    ):
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).touch()
    (repository / "rows.csv").write_text(ROWS)
    return repository


def refused(clone: Path, call: CallTask, *argv: str) -> str:
    """The one message of a call that exits with 2 and writes nothing."""
    before = files(clone)
    result = call(new_model.main, *argv)
    assert (result.code, result.out) == (2, ""), result
    assert files(clone) == before
    assert result.err.count("\n") == 1
    return result.err


@pytest.mark.parametrize("name", ["Churn", "late-payment", "2nd", "class", "_x", "a__b", "x" * 31])
def test_a_name_that_is_none_is_refused(clone: Path, call: CallTask, name: str) -> None:
    assert f"{name!r} cannot be a model's name: expected snake_case" in refused(
        clone, call, *KIND, "--data", "rows.csv", "--", name
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("iris", "src/models/iris"),
        ("predict", "src/models/predict.py"),
        ("flowers", "src/datasets/flowers.py"),
        ("patients", "src/datasets/contracts/patients.yaml"),
        ("cli", "src/cli"),
    ],
)
def test_a_name_that_something_has_is_refused(
    clone: Path, call: CallTask, name: str, path: str
) -> None:
    said = refused(clone, call, name, *KIND, "--data", "rows.csv")
    assert said == f"{name!r}: {path} is there already. Choose another name.\n"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("gone.csv", None, "gone.csv: cannot be read: No such file or directory."),
        ("empty.csv", b"", "empty.csv: the file is empty."),
        ("header.csv", b"usage,churned\n", "header.csv: the file has no rows."),
        ("rows.parquet", b"PAR1", "rows.parquet: not a whole Parquet file"),
        ("rows.xlsx", b"PK", "rows.xlsx: cannot tell the format from the ending '.xlsx'"),
        ("same.csv", ROWS.replace("yes", "no").encode(), "there is nothing to learn"),
    ],
)
def test_a_sample_that_cannot_be_learnt_from_is_refused(
    clone: Path, call: CallTask, file: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (clone / file).write_bytes(content)
    assert message in refused(clone, call, "churn", *KIND, "--data", file)


def test_what_is_not_said_and_cannot_be_asked_is_refused(clone: Path, call: CallTask) -> None:
    assert "Name what to start" in refused(clone, call)
    assert "--kind: say what the label is" in refused(clone, call, "churn")
    assert "name it with --data" in refused(clone, call, "churn", *KIND, "--target", "churned")


def test_a_template_that_git_does_not_have_is_told(clone: Path, call: CallTask) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)
    result = call(new_model.main, "churn", *KIND, "--data", "rows.csv")
    assert result.code == 2
    assert "no commit has the template, src/tools/scaffold/templates/model" in result.err
    assert not (clone / "src/models/churn").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_asked_until_the_answers_fit(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["iris", "churn", "classification", "gone.csv", "rows.csv", "", "plan"]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(answers) + "\n"))
    asked = ask(NewModelSettings(), model_answers(NewModelSettings(), clone), command="")
    assert asked == NewModelSettings(
        name="churn", kind="classification", data="rows.csv", target="churned", id="plan"
    )
    said = capsys.readouterr().err
    assert "src/models/iris is there already" in said
    assert "gone.csv: cannot be read" in said


def test_answers_that_end_too_early_are_told(
    clone: Path, monkeypatch: pytest.MonkeyPatch, call: CallTask
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("churn\n"))
    result = call(new_model.main)
    assert result.code == 2
    assert result.err.endswith("The answers ended before all was asked; nothing is written.\n")


def commit(root: Path) -> None:
    git = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Test"]):
        subprocess.run([*git, *command], cwd=root, check=True)


def test_an_update_names_what_it_lacks(clone: Path, call: CallTask) -> None:
    commit(clone)
    assert "Name what to update" in call(update_from_template.main).err
    by_hand = call(update_from_template.main, "iris")
    assert (by_hand.code, by_hand.out) == (2, "")
    assert "it was not started from a template" in by_hand.err
    (clone / MODEL.answers_file("iris")).write_text("_commit: abcd123\n")
    unknown = call(update_from_template.main, "iris")
    assert unknown.code == 2
    assert "_commit: abcd123 is not in this clone. Fetch it" in unknown.err


def test_an_update_wants_what_it_changes_to_be_committed(clone: Path, call: CallTask) -> None:
    commit(clone)
    (clone / MODEL.answers_file("iris")).write_text("_commit: HEAD\n")
    result = call(update_from_template.main, "iris")
    assert result.code == 2
    assert "src/models/iris: has changes that are not committed." in result.err
