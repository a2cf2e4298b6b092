from __future__ import annotations

import re

import pytest
from pants.backend.python import target_types_rules
from pants.backend.python.dependency_inference.rules import UnownedDependencyError
from pants.backend.python.target_types import PythonRequirementTarget, PythonSourcesGeneratorTarget
from pants.core.target_types import rules as core_target_types_rules
from pants.engine.addresses import Address
from pants.engine.internals.scheduler import ExecutionError
from pants.engine.rules import QueryRule, rule
from pants.engine.target import InferredDependencies
from pants.testutil.rule_runner import RuleRunner
from pants.util.frozendict import FrozenDict

from notebook import dependency_inference, parse
from notebook.dependency_inference import InferNotebookDependencies, NotebookInferenceFieldSet
from notebook.notebooks_for_tests import notebook
from notebook.parse import SyntaxErrors, SyntaxErrorsRequest
from notebook.syntax import syntax_error
from notebook.target_types import NotebooksGeneratorTarget, NotebookTarget

TEXT = {"cell_type": "markdown", "source": "import text", "metadata": {}}


@rule
def find_syntax_errors_here(request: SyntaxErrorsRequest) -> SyntaxErrors:
    """Use this Python: to find the notebook's, Pants would download a program."""
    errors = {cell.number: syntax_error(cell.python) for cell in request.cells}
    return SyntaxErrors(FrozenDict({number: error for number, error in errors.items() if error}))


@pytest.fixture
def rule_runner() -> RuleRunner:
    runner = RuleRunner(
        rules=[
            *core_target_types_rules(),
            *dependency_inference.rules(),
            parse.parse_notebook,
            parse.read_cells,
            find_syntax_errors_here,
            *target_types_rules.rules(),
            QueryRule(InferredDependencies, [InferNotebookDependencies]),
        ],
        target_types=[
            NotebookTarget,
            NotebooksGeneratorTarget,
            PythonRequirementTarget,
            PythonSourcesGeneratorTarget,
        ],
    )
    runner.write_files(
        {
            "3rdparty/BUILD": "\n".join(
                f"python_requirement(name='{name}', requirements=['{name}'], resolve='{resolve}')"
                for name, resolve in (
                    ("ipykernel", "default"),
                    ("pandas", "default"),
                    ("matplotlib", "default"),
                    ("airflow", "dags"),
                )
            ),
            "src/models/BUILD": "python_sources()",
            "src/models/iris.py": "",
            "src/models/churn.py": "",
            "notebooks/BUILD": "notebooks()",
        }
    )
    set_options(runner)
    return runner


def set_options(rule_runner: RuleRunner, behaviour: str = "error") -> None:
    rule_runner.set_options(
        [
            "--source-root-patterns=['/src']",
            "--python-enable-resolves",
            "--python-default-resolve=default",
            "--python-resolves={'default': 'default.lock', 'dags': 'dags.lock'}",
            "--python-interpreter-constraints=['CPython==3.9.*']",
            "--python-infer-use-rust-parser",
            "--python-infer-string-imports",
            "--python-infer-string-imports-min-dots=1",
            f"--python-infer-unowned-dependency-behavior={behaviour}",
        ],
        env_inherit={"PATH", "PYENV_ROOT", "HOME"},
    )


def infer(rule_runner: RuleRunner, content: str) -> set[str]:
    rule_runner.write_files({"notebooks/a.ipynb": content})
    target = rule_runner.get_target(Address("notebooks", relative_file_path="a.ipynb"))
    request = InferNotebookDependencies(NotebookInferenceFieldSet.create(target))
    inferred = rule_runner.request(InferredDependencies, [request])
    return {address.spec for address in inferred.include}


KERNEL = "3rdparty:ipykernel"


def test_imports_in_code_cells_are_inferred(rule_runner: RuleRunner) -> None:
    content = notebook(TEXT, "import os, pandas as pd\nfrom models import iris", "x = 1")
    assert infer(rule_runner, content) == {KERNEL, "3rdparty:pandas", "src/models/iris.py"}


def test_magics_and_shell_lines_are_understood(rule_runner: RuleRunner) -> None:
    content = notebook(
        "%matplotlib inline\n!ls 'it",
        "%%time\n%time import models.iris",
        "!python -m models.churn",
        "%%html\nimport nothing",
    )
    assert infer(rule_runner, content) == {
        KERNEL,
        "3rdparty:matplotlib",
        "src/models/iris.py",
        "src/models/churn.py",
    }


def test_a_new_import_is_seen(rule_runner: RuleRunner) -> None:
    assert infer(rule_runner, notebook("x = 1")) == {KERNEL}
    assert infer(rule_runner, notebook("import models.iris")) == {KERNEL, "src/models/iris.py"}


def test_a_notebook_that_is_run_is_a_dependency(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"notebooks/shared.ipynb": notebook("x = 1")})
    content = notebook("%run ./shared.ipynb", "%run ../src/models/iris.py")
    assert infer(rule_runner, content) == {
        KERNEL,
        "notebooks/shared.ipynb",
        "src/models/iris.py",
    }


def test_unowned_imports_are_reported_with_their_cell(rule_runner: RuleRunner) -> None:
    content = notebook(TEXT, "import pandas", "\nimport nothing\nimport airflow", "%run no.py")
    with pytest.raises(ExecutionError) as error:
        infer(rule_runner, content)
    wrapped = error.value.wrapped_exceptions[0]
    assert isinstance(wrapped, UnownedDependencyError)
    message = str(wrapped)
    for part in (
        "imports in the notebook notebooks/a.ipynb (resolve `default`)",
        "* airflow (cell 3, line 3)",
        "* nothing (cell 3, line 2)",
        "* %run no.py (cell 4, line 1)",
        "* airflow: `dags` from 3rdparty:airflow",
        "add `# pants: no-infer-dep` to the import line",
    ):
        assert part in message


def test_an_option_turns_the_error_into_a_warning(
    rule_runner: RuleRunner, caplog: pytest.LogCaptureFixture
) -> None:
    set_options(rule_runner, behaviour="warning")
    assert infer(rule_runner, notebook("import pandas\nimport nothing")) == {
        KERNEL,
        "3rdparty:pandas",
    }
    assert "* nothing (cell 1, line 2)" in caplog.text


def test_an_import_can_be_left_out(rule_runner: RuleRunner) -> None:
    content = notebook("import nothing  # pants: no-infer-dep")
    assert infer(rule_runner, content) == {KERNEL}


def test_a_cell_that_does_not_parse_is_reported_and_skipped(
    rule_runner: RuleRunner, caplog: pytest.LogCaptureFixture
) -> None:
    content = notebook("import models.iris", "x = '''\nimport pandas", "import models.churn")
    assert infer(rule_runner, content) == {KERNEL, "src/models/churn.py", "src/models/iris.py"}
    assert re.search(r"notebooks/a\.ipynb: cell 2, line [12] does not parse: ", caplog.text)


def test_an_invalid_notebook_is_reported(
    rule_runner: RuleRunner, caplog: pytest.LogCaptureFixture
) -> None:
    assert infer(rule_runner, "<<<<<<< HEAD") == {KERNEL}
    assert "notebooks/a.ipynb:1:1 is not JSON" in caplog.text


def test_a_skipped_notebook_needs_no_kernel(rule_runner: RuleRunner) -> None:
    rule_runner.write_files({"notebooks/BUILD": "notebooks(skip_execute=True)"})
    assert infer(rule_runner, notebook("import pandas")) == {"3rdparty:pandas"}
