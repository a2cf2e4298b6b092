"""The command line, in a git repository whose contracts this process has."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pandera.pandas as pa
import pytest

from datasets import registry
from support.tasks import CallTask
from tools.contracts.contract_files import FOLDER
from tools.contracts.contracts import COMMANDS, main
from tools.contracts.dependents import Dependents
from tools.workspace.pants import PantsError
from tools.workspace.target_graph import TargetGraph


class Orders(pa.DataFrameModel):
    """One row per order."""

    amount: float = pa.Field(ge=0, description="What was paid.", metadata={"unit": "EUR"})
    tax: float = pa.Field(ge=0, description="What of it is tax.", metadata={"unit": "EUR"})

    class Config:
        name = "orders"
        description = "One row per order."
        metadata = {"version": "1.0.0", "owner": "sales"}


class WithoutTax(pa.DataFrameModel):
    """Orders without a column, and with fewer amounts."""

    amount: float = pa.Field(gt=0, description="What was paid.", metadata={"unit": "EUR"})

    class Config:
        name = "orders"
        description = "One row per order."
        metadata = {"version": "1.0.0", "owner": "sales"}


class WithoutTax2(WithoutTax):
    """The same, as the next major version."""

    class Config:
        name = "orders"
        description = "One row per order."
        metadata = {"version": "2.0.0", "owner": "sales"}


MODULE = f"src/{__name__.replace('.', '/')}.py"


def target(file: str, *dependencies: str, address: str = "") -> dict[str, object]:
    return {
        "address": address or file,
        "target_type": "python_source",
        "sources": [file],
        "dependencies": dependencies,
    }


GRAPH = TargetGraph.from_peek(
    [
        target("src/models/shop/schema.py", MODULE),
        target(MODULE, address="src/datasets:datasets") | {"dependencies": [MODULE]},
        target("src/datasets/registry.py", "src/datasets:datasets"),
        target("src/tools/walk.py", "src/datasets/registry.py"),
        target(
            "tests/models/shop/a_test.py",
            "src/models/shop/schema.py",
            address="tests/models/shop/a_test.py:../tests",
        ),
        target(
            "tests/models/b_test.py",
            "tests/models/shop/a_test.py:../tests",
            address="tests/models:tests",
        ),
        target("notebooks/look.ipynb", "src/models/shop/schema.py"),
    ]
)


def git(*arguments: str) -> None:
    author = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
    subprocess.run(["git", *author, *arguments], check=True, capture_output=True)


def have(monkeypatch: pytest.MonkeyPatch, **contracts: type[pa.DataFrameModel]) -> None:
    monkeypatch.setattr(registry, "contracts", lambda: contracts)


@pytest.fixture
def exported(repository: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose branch `main` has the contract `orders`."""
    module = repository / MODULE
    module.parent.mkdir(parents=True)
    module.touch()
    have(monkeypatch, orders=Orders)
    monkeypatch.setattr(TargetGraph, "of_repository", lambda *arguments: GRAPH)
    assert call(main, "export").code == 0
    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=Orders")
    return repository


def test_nothing_has_changed(exported: Path, call: CallTask) -> None:
    result = call(main, "diff")
    assert result.code == 0
    assert result.out.startswith("No contract differs from main (")


def test_a_breaking_change_without_a_version_names_each_change_and_who_depends_on_it(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, orders=WithoutTax)
    result = call(main, "diff")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0].startswith("Contracts, compared with main (")
    assert lines[2:] == [
        "orders 1.0.0: breaking",
        f"  documentation         (table)  model: was {__name__}.Orders, now {__name__}.WithoutTax",
        "  breaking for readers  tax      column removed",
        "  breaking for writers  amount   range tightened: was x ≥ 0, now x > 0",
        "  models: shop",
        "  modules: src/models/shop/schema.py",
        "  notebooks: notebooks/look.ipynb",
        "  test files: 1",
        '  NOT YET: breaking changes need version 2.0.0, but it is 1.0.0: set "version": "2.0.0" '
        "in the metadata of its `Config`, or revert them.",
    ]


def test_with_the_next_major_version_it_may_go_on(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, orders=WithoutTax2)
    result = call(main, "diff", "--since", "HEAD")
    assert result.code == 0
    assert "orders 1.0.0 -> 2.0.0: breaking" in result.out


def test_a_program_gets_json(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, orders=WithoutTax, orders2=WithoutTax2)
    result = call(main, "diff", "--json")
    said: dict[str, Any] = json.loads(result.out)
    (orders, _) = said["contracts"]
    assert (result.code, orders["name"], orders["effect"]) == (1, "orders", "breaking")
    assert orders["changes"][1] == {
        "column": "tax",
        "what": "column removed",
        "effect": "breaking",
        "breaks": ["readers"],
    }
    assert orders["dependents"]["models"] == ["shop"]
    assert "version 2.0.0" in orders["problem"]


def test_where_pants_does_not_answer_the_changes_are_said_all_the_same(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> TargetGraph:
        raise PantsError("Pants failed:\n  broken BUILD")

    monkeypatch.setattr(TargetGraph, "of_repository", fail)
    have(monkeypatch, orders=WithoutTax)
    result = call(main, "diff")
    assert result.code == 1
    assert "column removed" in result.out
    assert "broken BUILD" in result.err


def test_of_a_contract_that_is_gone_those_are_told_that_still_import_it(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (exported / MODULE).unlink()
    user = exported / "src/models/shop/schema.py"
    user.parent.mkdir(parents=True)
    user.write_text(f"from {__name__} import Orders\n")
    have(monkeypatch)
    result = call(main, "diff")
    assert result.code == 1
    assert "orders 1.0.0 -> none: breaking" in result.out
    assert "  models: shop\n" in result.out
    assert "was removed without a deprecation" in result.out


def test_what_is_not_committed_counts_and_that_is_said(exported: Path, call: CallTask) -> None:
    assert "not committed" not in call(main, "diff").err
    (exported / FOLDER / "orders.yaml").write_text("other")
    assert "Includes uncommitted changes of src/datasets." in call(main, "diff").err


def test_a_later_commit_of_the_other_branch_is_none_of_ours(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("checkout", "--quiet", "-b", "mine")
    git("checkout", "--quiet", "main")
    have(monkeypatch, orders=WithoutTax2)
    assert call(main, "export").code == 0
    git("commit", "--quiet", "--all", "--message=Version 2")
    git("checkout", "--quiet", "mine")
    have(monkeypatch, orders=Orders)
    assert "No contract differs" in call(main, "diff").out


def test_a_clone_without_the_branch_has_that_of_its_origin(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git("clone", "--quiet", str(exported), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    git("checkout", "--quiet", "--detach")
    git("branch", "--quiet", "-D", "main")
    assert "No contract differs from origin/main (" in call(main, "diff").out


def test_a_shallow_clone_fetches_the_commit_that_it_is_compared_with(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git("commit", "--quiet", "--allow-empty", "--message=More")
    git("clone", "--quiet", "--depth=1", exported.as_uri(), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    result = call(main, "diff", "--since", "HEAD~1")
    assert (result.code, result.err) == (0, "")
    assert "No contract differs from HEAD~1 (" in result.out


def test_a_shallow_clone_that_can_fetch_nothing_is_told_how_to_get_the_rest(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git("commit", "--quiet", "--allow-empty", "--message=More")
    git("clone", "--quiet", "--depth=1", exported.as_uri(), str(tmp_path / "clone"))
    monkeypatch.chdir(tmp_path / "clone")
    git("remote", "set-url", "origin", str(tmp_path / "nothing"))
    result = call(main, "diff", "--since", "HEAD~1")
    assert (result.code, result.out) == (1, "")
    assert "this clone is shallow and lacks the commit at which HEAD left it" in result.err
    assert "To fix this, run `git fetch --unshallow origin`" in result.err


def test_an_unknown_revision_is_one_message(exported: Path, call: CallTask) -> None:
    result = call(main, "diff", "--since", "mian")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"No revision 'mian' in {exported}; branches: main. "
        "Name one of them, a tag or a commit with --since, or `git fetch` it.\n"
    )


def test_outside_of_a_git_repository_or_of_ours_is_one_message(
    repository: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    have(monkeypatch, orders=Orders)
    result = call(main, "diff")
    assert (result.code, result.err) == (
        2,
        f"{repository}: not a git repository, so there is no revision to compare with.\n",
    )
    monkeypatch.chdir(repository.parent)
    result = call(main, "export")
    assert result.code == 2
    assert "found no pants.toml here or in a parent folder. Run this inside a clone." in result.err


def test_without_git_it_says_so(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    result = call(main, "diff")
    assert (result.code, result.err) == (
        1,
        "git cannot be started: No such file or directory. Install git.\n",
    )


def test_the_first_contracts_of_a_repository_break_nobody(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("rm", "--quiet", "-r", str(FOLDER))
    git("commit", "--quiet", "--message=None")
    result = call(main, "diff")
    assert result.code == 0
    assert "has no contracts in src/datasets/contracts." in result.err
    assert "orders none -> 1.0.0: compatible" in result.out


def test_a_file_that_is_no_contract_is_named(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (exported / FOLDER / "odd.yaml").write_text("- a list\n")
    git("add", ".")
    git("commit", "--quiet", "--message=Odd")
    result = call(main, "diff")
    assert result.code == 2
    assert "src/datasets/contracts/odd.yaml: expected a contract that `export` wrote" in result.err


def test_export_writes_each_contract_once_and_clears_what_has_none(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (exported / FOLDER / "gone.yaml").write_text("name: gone\n")
    result = call(main, "export", "--check")
    assert result.code == 1
    assert result.err == (
        "src/datasets/contracts/gone.yaml: has no contract\n"
        "Not current: run `./pants run src/datasets:contracts -- export`, and commit.\n"
    )
    have(monkeypatch, orders=WithoutTax2)
    assert call(main, "export").err == (
        "src/datasets/contracts/gone.yaml: removed, because there is no such contract\n"
        "src/datasets/contracts/orders.yaml\n"
    )
    assert call(main, "export", "--check").code == 0
    assert call(main, "export").err.startswith("All 1 contracts in src")
    assert (
        (exported / FOLDER / "orders.yaml").read_text()
        == f"""\
# Generated from {MODULE} by `./pants run src/datasets:contracts -- export`.
# Change that file, and export again.
name: orders
version: 2.0.0
owner: sales
description: One row per order.
model: {__name__}.WithoutTax2
strict: false
columns:
  - name: amount
    dtype: float64
    nullable: false
    unit: EUR
    checks: {{gt: 0}}
    description: What was paid.
"""
    )
    assert [path.name for path in (exported / FOLDER).iterdir()] == ["orders.yaml"]


def test_show_prints_a_line_per_column(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = call(main, "show", "orders")
    assert result.code == 0
    assert "orders 1.0.0, owned by sales\nOne row per order.\n" in result.out
    (amount,) = (line for line in result.out.splitlines() if line.startswith("  amount"))
    assert amount.split() == ["amount", "float64", "EUR", "x", "≥", "0", "What", "was", "paid."]


def test_an_unknown_contract_or_one_that_is_not_documented_is_one_message(
    exported: Path, call: CallTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = call(main, "show", "order")
    assert (result.code, result.err) == (2, "No contract 'order'; contracts: orders.\n")

    class Bare(Orders):
        pass

    have(monkeypatch, bare=Bare)
    result = call(main, "show")
    assert result.code == 2
    assert "must have an `owner`" in result.err


def test_files_are_sorted_by_what_they_are() -> None:
    assert Dependents.of_files(
        ["src/models/iris/a.py", "src/models/b.py", "tests/c_test.py", "src/models/iris/n/d.ipynb"]
    ) == Dependents(
        models=("iris",),
        modules=("src/models/b.py", "src/models/iris/a.py"),
        notebooks=("src/models/iris/n/d.ipynb",),
        tests=("tests/c_test.py",),
    )


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_has_examples_and_comes_at_once(arguments: list[str], call: CallTask) -> None:
    start = time.monotonic()
    result = call(main, *arguments)
    assert time.monotonic() - start < 0.5
    assert result.code == 0
    assert "Examples:\n  ./pants run src/datasets:contracts -- " in result.out
