from __future__ import annotations

import json

from notebook.run import kernel_spec, python_path, variables


def test_the_kernel_is_jupyters_own_interpreter_with_autoreload() -> None:
    spec = json.loads(kernel_spec("default"))
    assert spec["argv"][:3] == ["python", "-m", "ipykernel_launcher"]
    assert "--IPKernelApp.extensions=autoreload" in spec["argv"]
    assert "--IPKernelApp.exec_lines=%autoreload 2" in spec["argv"]
    assert spec["display_name"] == "Python 3 (default)"


def test_source_roots_are_those_of_the_repository() -> None:
    assert python_path("/repo", ("src", ".", "notebooks")) == "/repo/src:/repo:/repo/notebooks"


def test_a_variable_may_contain_an_equals_sign() -> None:
    assert variables(["A=1", "URL=sqlite:///x?y=z"]) == {"A": "1", "URL": "sqlite:///x?y=z"}
