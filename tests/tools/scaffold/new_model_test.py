"""What `new-model` and `update-from-template` refuse and ask; tests/integration tests the files."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from support.tasks import CallTask
from tools.scaffold import new_model, update_from_template
from tools.scaffold.new_model import NewModelSettings
from tools.scaffold.questions import ask, ask_for_model
from tools.scaffold.template import MODEL

ROWS = "usage,plan,churned\n" + "1.5,basic,no\n2.5,pro,yes\n" * 10
KIND = ("--kind", "classification")


def files(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def clone(repository: Path) -> Path:
    """A repository with some empty modules and contracts."""
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
def test_an_invalid_name_is_refused(clone: Path, call: CallTask, name: str) -> None:
    assert f"{name!r} is not a valid name for a model. Expected snake_case" in refused(
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
def test_a_taken_name_is_refused(clone: Path, call: CallTask, name: str, path: str) -> None:
    said = refused(clone, call, name, *KIND, "--data", "rows.csv")
    assert said == f"{name!r}: {path} already exists. Choose another name.\n"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("gone.csv", None, "gone.csv: cannot be read: No such file or directory."),
        ("empty.csv", b"", "empty.csv: the file is empty."),
        ("header.csv", b"usage,churned\n", "header.csv: the file has no rows."),
        ("rows.parquet", b"PAR1", "rows.parquet: not a complete Parquet file"),
        ("rows.xlsx", b"PK", "rows.xlsx: cannot tell the format from the ending '.xlsx'"),
        ("same.csv", ROWS.replace("yes", "no").encode(), "Expected at least two different labels."),
    ],
)
def test_a_sample_without_anything_to_learn_is_refused(
    clone: Path, call: CallTask, file: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (clone / file).write_bytes(content)
    assert message in refused(clone, call, "churn", *KIND, "--data", file)


def test_missing_options_without_a_terminal_are_refused(clone: Path, call: CallTask) -> None:
    assert "The name is missing. Example:" in refused(clone, call)
    assert "--kind is missing. Expected the kind of label" in refused(clone, call, "churn")
    assert "Name the sample with --data" in refused(
        clone, call, "churn", *KIND, "--target", "churned"
    )


def test_a_template_that_is_not_in_git_is_an_error(clone: Path, call: CallTask) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=clone, check=True)
    result = call(new_model.main, "churn", *KIND, "--data", "rows.csv")
    assert result.code == 2
    assert "no commit contains the template src/tools/scaffold/templates/model" in result.err
    assert not (clone / "src/models/churn").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_questions_repeat_until_the_answer_is_valid(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = ["iris", "churn", "classification", "gone.csv", "rows.csv", "", "plan"]
    monkeypatch.setattr("sys.stdin", Terminal("\n".join(answers) + "\n"))
    asked = ask(NewModelSettings(), ask_for_model(NewModelSettings(), clone), command="")
    assert asked == NewModelSettings(
        name="churn", kind="classification", data="rows.csv", target="churned", id="plan"
    )
    said = capsys.readouterr().err
    assert "src/models/iris already exists" in said
    assert "gone.csv: cannot be read" in said


def test_an_input_that_ends_too_early_is_an_error(
    clone: Path, monkeypatch: pytest.MonkeyPatch, call: CallTask
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("churn\n"))
    result = call(new_model.main)
    assert result.code == 2
    assert result.err.endswith("The input ended before the last answer. Nothing was written.\n")


def commit(root: Path) -> None:
    git = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.com")
    for command in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "Test"]):
        subprocess.run([*git, *command], cwd=root, check=True)


def test_an_update_names_what_is_missing(clone: Path, call: CallTask) -> None:
    commit(clone)
    assert "The name is missing. Example:" in call(update_from_template.main).err
    by_hand = call(update_from_template.main, "iris")
    assert (by_hand.code, by_hand.out) == (2, "")
    assert "was not started from a template" in by_hand.err
    (clone / MODEL.answers_file("iris")).write_text("_commit: abcd123\n")
    unknown = call(update_from_template.main, "iris")
    assert unknown.code == 2
    assert "_commit: abcd123 is not in this clone. Fetch it" in unknown.err


def test_an_update_refuses_uncommitted_changes(clone: Path, call: CallTask) -> None:
    commit(clone)
    (clone / MODEL.answers_file("iris")).write_text("_commit: HEAD\n")
    result = call(update_from_template.main, "iris")
    assert result.code == 2
    assert "src/models/iris has uncommitted changes." in result.err
