"""Start, update and retire models and tables with a real Pants, in a git repository."""

from __future__ import annotations

import csv
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.commands import (
    ROOT,
    Result,
    commit_all,
    copy_repository,
    copy_test_support,
    start,
    stop_pantsd,
)

CONFIGURATION = (
    ".rumdl.toml",
    ".secrets.baseline",
    ".yamlfmt",
    ".yamllint",
    "mypy.ini",
)
ROWS = 120
ADDRESSES = tuple(
    f"{folder}/{model}::"
    for folder in ("src/models", "tests/models")
    for model in ("churn", "rent")
)
# Their other tests are not in the sandbox.
TESTED = ("tests/datasets", "tests/feature_store")
TABLES = (
    "src/datasets::",
    "src/feature_store/views::",
    "src/feature_store/samples::",
    *(f"{folder}::" for folder in TESTED),
)
PANTS_RACE = "Error launching process after 1 retry for ETXTBSY"
TEMPLATE = "src/tools/scaffold/templates/model/src/models/{{ name }}"


@dataclass(frozen=True)
class Repository:
    root: Path

    def run(self, *command: str) -> Result:
        # A daemon makes every call after the first one fast. The fixture ends it.
        environment = {"PANTS_PANTSD": "true", "MLFLOW_TRACKING_URI": ""}
        return Result.of(start(*command, cwd=self.root, env=environment), timeout=900)

    def pants(self, *arguments: str) -> Result:
        command = ("./pants", "--no-dynamic-ui", "--no-colors", *arguments)
        result = self.run(*command)
        # Pants 2.17 writes scripts and forks at the same time. Sometimes a script is still open for
        # writing when it starts (ETXTBSY). A second call works.
        return self.run(*command) if PANTS_RACE in result.err else result

    def status(self) -> str:
        return self.run("git", "status", "--porcelain", "--untracked-files=all").out

    def edit(self, file: str, before: str, after: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert text.count(before) == 1, (file, before)
        path.write_text(text.replace(before, after))


def write_sample(file: Path) -> None:
    """Text, numbers, dates and missing values, in columns of which some are not Python names."""
    draw = random.Random(0)
    columns = ["id", "plan", "Monthly charge (€)", "class", "calls", "since", "active", "said"]
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        writer.writerow([*columns, "churned"])
        for number in range(ROWS):
            charge = round(draw.uniform(5, 90), 2)
            writer.writerow(
                [
                    f"c{number:04}",
                    draw.choice(["basic", 'the "pro"', ""]),
                    charge,
                    draw.randint(1, 3),
                    draw.choice([0, 1, 2, ""]),
                    f"2023-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}",
                    draw.choice(["true", "false"]),
                    f"remark {number}",
                    "yes" if charge + draw.gauss(0, 10) > 50 else "no",
                ]
            )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A git repository with two started models, a dataset and a feature view."""
    root = tmp_path_factory.mktemp("models")
    copy_repository(root)
    for name in CONFIGURATION:
        shutil.copy(ROOT / name, root / name)
    copy_test_support(root)
    write_sample(root / "sample.csv")
    for folder in TESTED:
        (root / folder).mkdir(parents=True)
        (root / folder / "BUILD").write_text('python_tests(name="tests")\n')
    commit_all(root)
    repository = Repository(root)
    try:
        churn = ("churn", "--kind", "classification", "--data", "sample.csv", "--id", "id")
        for tool, *arguments in (
            ("new-model", *churn),
            ("new-model", "rent", "--kind", "regression"),
            ("new-dataset", "customers"),
            ("new-feature-view", "subscriptions", "--data", "sample.csv", "--key", "id"),
        ):
            made = repository.pants("run", f"src/tools:{tool}", "--", *arguments)
            assert made.code == 0, made
        commit_all(root)
        yield repository
    finally:
        stop_pantsd(root)


@pytest.fixture
def repository(started: Repository) -> Iterator[Repository]:
    before = started.run("git", "rev-parse", "HEAD").out.strip()
    yield started
    started.run("git", "reset", "--quiet", "--hard", before)
    started.run("git", "clean", "--quiet", "--force", "-d", "src", "tests")


def test_started_files_pass_every_check_of_a_change(repository: Repository) -> None:
    addresses = (*ADDRESSES, *TABLES)
    built = repository.pants("tailor", "--check", "update-build-files", "--check", *addresses)
    assert built.code == 0, built
    passed = repository.pants("lint", "check", "test", *addresses)
    assert passed.code == 0, (passed.out, passed.err)
    for test in (
        "tests/models/churn/churn_test.py:tests",
        "tests/models/rent/rent_test.py:tests",
        "tests/datasets/customers_test.py:tests",
        "tests/feature_store/subscriptions_test.py:tests",
        "src/models/churn/notebooks/exploration.ipynb",
        "src/models/rent/notebooks/exploration.ipynb",
    ):
        assert f"✓ {test}" in passed.err
    dags = repository.pants("run", "src/dags:check")
    assert dags.code == 0, dags
    chain = "train, evaluate, gate, predict, export"
    for model in ("churn", "rent"):
        assert f"{model}: started by hand (UTC): {chain}" in dags.out
    exported = repository.pants("run", "src/datasets:contracts", "--", "export", "--check")
    assert exported.code == 0, exported


def test_a_model_trains_on_its_sample_and_predicts(repository: Repository) -> None:
    trained = repository.pants("run", "src/models/churn:train")
    assert "churn version 1 is now the champion." in trained.err, trained
    argv = ("--input", "sample.csv", "--output", "predicted.csv")
    predicted = repository.pants("run", "src/models/churn:predict", "--", *argv)
    assert predicted.code == 0, predicted
    with (repository.root / "predicted.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == ROWS
    # Columns that are not inputs are kept, and the label is kept under another name.
    right = [row["churned"] == row["churned_input"] for row in rows]
    assert sum(right) > 0.75 * ROWS
    assert {row["said"] for row in rows} == {f"remark {number}" for number in range(ROWS)}


def test_a_started_feature_view_can_be_extracted(repository: Repository) -> None:
    argv = ("--view", "subscriptions", "--dst", "extracted.csv")
    extracted = repository.pants("run", "src/feature_store:extract", "--", *argv)
    assert extracted.code == 0, extracted
    with (repository.root / "extracted.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1_000
    assert {"id", "since", "Monthly charge (€)", "class", "said"} <= rows[0].keys()


def test_the_package_predicts(repository: Repository) -> None:
    packaged = repository.pants("package", "src/models/churn:predict")
    assert packaged.code == 0, packaged
    pex = repository.root / "dist/src.models.churn/predict.pex"
    files = {path.relative_to(pex).as_posix() for path in pex.rglob("*")}
    assert {"models/churn/sample.parquet", "models/churn/model_card.md"} <= files


def test_a_taken_name_changes_nothing(repository: Repository) -> None:
    before = repository.status()
    arguments = ("churn", "--kind", "classification", "--data", "sample.csv")
    again = repository.pants("run", "src/tools:new-model", "--", *arguments)
    assert again.code == 2
    assert "'churn': src/models/churn already exists. Choose another name." in again.err
    assert repository.status() == before


def test_a_dry_run_shows_the_files_and_writes_none(repository: Repository) -> None:
    before = repository.status()
    arguments = ("late_payment", "--kind", "classification", "--dry-run")
    shown = repository.pants("run", "src/tools:new-model", "--", *arguments)
    assert shown.code == 0, shown
    names = re.findall(r"[\w.]+$", shown.out, re.MULTILINE)
    assert {"late_payment.py", "labelled_late_payment.yaml", "late_payment_test.py"} <= {*names}
    assert repository.status() == before


def change_template(repository: Repository) -> None:
    """Commit a later version of the template: one more scorer, one more sentence in the card."""
    accuracy = '"accuracy": "accuracy"'
    repository.edit(
        f"{TEMPLATE}/definition.py.jinja", accuracy, f'{accuracy}, "roc_auc": "roc_auc"'
    )
    repository.edit(
        f"{TEMPLATE}/model_card.md.jinja",
        "## Limits",
        "Asked for often: how certain is it?\n\n## Limits",
    )
    commit_all(repository.root)


def test_an_update_applies_changes_of_the_template_and_keeps_manual_ones(
    repository: Repository,
) -> None:
    definition, card = (f"src/models/churn/{name}" for name in ("definition.py", "model_card.md"))
    repository.edit(definition, "    build_pipeline=", "    hold_out=0.4,\n    build_pipeline=")
    repository.edit(card, "# Churn\n", "# Customers who leave\n")
    change_template(repository)
    updated = repository.pants("run", "src/tools:update-from-template", "--", "churn")
    assert updated.code == 0, updated
    assert updated.out.splitlines() == ["src/models/churn/.copier-answers.yml", definition, card]
    text = (repository.root / definition).read_text()
    assert "    hold_out=0.4,\n" in text
    assert '"roc_auc": "roc_auc"' in text
    text = (repository.root / card).read_text()
    assert text.startswith("# Customers who leave\n")
    assert "how certain is it?" in text
    changed = repository.status().split()
    assert changed == [word for path in updated.out.splitlines() for word in ("M", path)]
    commit_all(repository.root)
    again = repository.pants("run", "src/tools:update-from-template", "--", "churn")
    assert (again.code, again.out) == (0, ""), again


def test_reformatted_files_are_no_conflict(repository: Repository) -> None:
    """A template is formatted by the same rules, so other rules only break its lines elsewhere."""
    definition = "src/models/churn/definition.py"
    repository.edit("ruff.toml", "line-length = 100", "line-length = 60")
    formatted = repository.pants("fmt", "src/models/churn::", "tests/models/churn::")
    assert formatted.code == 0, formatted
    broken = """    cross_validation={
        "log_loss": "neg_log_loss",
        "accuracy": "accuracy",
"""
    assert broken in (repository.root / definition).read_text()
    change_template(repository)
    updated = repository.pants("run", "src/tools:update-from-template", "--", "churn")
    assert updated.code == 0, updated
    text = (repository.root / definition).read_text()
    assert f'{broken}        "roc_auc": "roc_auc",\n' in text


def test_an_update_leaves_a_conflict_to_a_person(repository: Repository) -> None:
    definition = "src/models/churn/definition.py"
    repository.edit(definition, '"accuracy": "accuracy"', '"f1": "f1_macro"')
    change_template(repository)
    updated = repository.pants("run", "src/tools:update-from-template", "--", "churn")
    assert updated.code == 1, updated
    assert f"{definition}: has conflict markers" in updated.out.splitlines()
    text = (repository.root / definition).read_text()
    ours, _, theirs = text.partition("=======")
    assert '"f1": "f1_macro"' in ours
    assert '"roc_auc": "roc_auc"' in theirs


def test_feature_views_are_updated_too(repository: Repository) -> None:
    view = "src/feature_store/views/subscriptions.py"
    template = (
        "src/tools/scaffold/templates/feature_view/src/feature_store/views/{{ name }}.py.jinja"
    )
    repository.edit(view, "TODO: what subscriptions describes, and of what.", "Who ordered what.")
    repository.edit(template, "    sample=_sample,\n", "    sample=_sample,  # Made up.\n")
    commit_all(repository.root)
    updated = repository.pants("run", "src/tools:update-from-template", "--", "subscriptions")
    assert updated.code == 0, updated
    answers = "src/feature_store/views/.subscriptions.copier-answers.yml"
    assert updated.out.splitlines() == [answers, view]
    text = (repository.root / view).read_text()
    assert text.startswith('"""Who ordered what."""')
    assert "sample=_sample,  # Made up.\n" in text


def retire(repository: Repository, *arguments: str) -> Result:
    return repository.pants("run", "src/tools:retire-model", "--", *arguments)


def test_a_model_with_dependents_is_not_retired(repository: Repository) -> None:
    study = repository.root / "tests/feature_store/study_test.py"
    study.write_text("from models.churn.definition import MODEL\n\nassert MODEL\n")
    (repository.root / "page.md").write_text("Run `./pants run src/models/churn:predict`.\n")
    before = repository.status()
    refused = retire(repository, "churn")
    assert refused.code == 1, refused
    assert refused.out.splitlines() == [
        "src/models/churn/definition.py → tests/feature_store/study_test.py:tests",
        "page.md:1: Run `./pants run src/models/churn:predict`.",
    ]
    assert "2 files or lines depend on it" in refused.err
    assert repository.status() == before
    (repository.root / "page.md").unlink()


def test_a_retired_model_leaves_nothing_behind(repository: Repository) -> None:
    retired = retire(repository, "churn")
    assert retired.code == 0, retired
    left = repository.run(
        "git", "grep", "-lw", "churn", "--", "src/datasets", "src/models", "tests"
    )
    assert left.out == ""
    commit_all(repository.root)
    gone = ("src/models::", "tests/models::", *TABLES)
    built = repository.pants("tailor", "--check", "update-build-files", "--check", *gone)
    assert built.code == 0, built
    passed = repository.pants("lint", "check", "test", *gone)
    assert passed.code == 0, (passed.out, passed.err)
    for command in (("export", "--check"), ("diff", "--since", "HEAD~1")):
        current = repository.pants("run", "src/datasets:contracts", "--", *command)
        assert current.code == 0, current


def test_starting_and_retiring_a_model_leaves_no_trace(repository: Repository) -> None:
    before = repository.status()
    made = repository.pants("run", "src/tools:new-model", "--", "brief", "--kind", "regression")
    assert made.code == 0, made
    forced = retire(repository, "brief", "--force")
    assert forced.code == 0, forced
    assert repository.status() == before
