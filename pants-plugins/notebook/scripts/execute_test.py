"""Execute notebooks with a real kernel, in the Python that runs this test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from notebook.scripts import execute

TAGS = ["parameters"]


@dataclass(frozen=True)
class Finished:
    code: int
    stderr: str
    executed: dict[str, Any]
    report: ElementTree.Element

    def text(self, cell: int) -> str:
        outputs = self.executed["cells"][cell - 1]["outputs"]
        return "".join("".join(output.get("text", [])) for output in outputs)


def cell(source: str, kind: str = "code", tags: Sequence[str] = ()) -> dict[str, object]:
    made: dict[str, object] = {"cell_type": kind, "source": source, "metadata": {"tags": [*tags]}}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Finished]:
    kernel = tmp_path / "kernel.sh"
    path = os.pathsep.join(sys.path)
    kernel.write_text(
        f'#!/bin/sh\nexport PATH=/usr/bin:/bin PYTHONPATH="{path}:$PEX_EXTRA_SYS_PATH"\n'
        f'exec "{sys.executable}" -m ipykernel_launcher "$@"\n'
    )
    kernel.chmod(0o755)
    (tmp_path / "work").mkdir()

    def run(*cells: dict[str, object], **more: object) -> Finished:
        notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}
        (tmp_path / "work" / "a.ipynb").write_text(json.dumps(notebook))
        execution = {
            "notebook": "work/a.ipynb",
            "kernel": ["./kernel.sh"],
            "programs": str(Path(sys.executable).parent),
            "executed": "executed/a.ipynb",
            "report": "report.xml",
            "timeout": 60,
            **more,
        }
        (tmp_path / "execution.json").write_text(json.dumps(execution))
        done = subprocess.run(
            [sys.executable, execute.__file__, "execution.json"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
        )
        file = tmp_path / "executed" / "a.ipynb"
        executed = json.loads(file.read_bytes()) if file.exists() else {}
        return Finished(
            done.returncode,
            done.stderr,
            executed,
            ElementTree.parse(tmp_path / "report.xml").getroot(),
        )

    return run


def test_all_cells_run_in_the_notebooks_folder(
    run: Callable[..., Finished], tmp_path: Path
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "ours.py").write_text("NAME = 'ours'")
    done = run(
        cell("# Title", "markdown"),
        cell("import os\nfrom ours import NAME\nprint(NAME, os.path.basename(os.getcwd()))"),
        cell("!python -c 'import sys; print(sys.version_info[:2])'"),
        source_roots=["src"],
    )
    assert (done.code, done.stderr) == (0, "")
    assert done.text(2) == "ours work\n"
    assert done.text(3).strip() == str(tuple(sys.version_info[:2]))
    assert [case.get("name") for case in done.report] == ["cell 2", "cell 3"]
    assert (done.report.get("tests"), done.report.get("failures")) == ("2", "0")
    assert all("number" not in each["metadata"] for each in done.executed["cells"])


def test_a_failing_cell_is_reported_with_number_source_and_error(
    run: Callable[..., Finished],
) -> None:
    done = run(cell("# Title", "markdown"), cell("x = 0"), cell("y = 1\ny / x"), cell("z = 1"))
    assert done.code == 1
    head, source, *_ = done.stderr.split("\n\n")
    assert head == "work/a.ipynb: cell 3 failed: ZeroDivisionError: division by zero"
    assert source == "   1 | y = 1\n   2 | y / x"
    assert "----> 2 y / x" in done.stderr
    assert "\x1b[" not in done.stderr
    assert [case.get("name") for case in done.report] == ["cell 2", "cell 3"]
    assert done.report.get("failures") == "1"
    assert done.executed["cells"][2]["outputs"][0]["ename"] == "ZeroDivisionError"


def test_an_endless_loop_is_stopped_and_named(run: Callable[..., Finished]) -> None:
    done = run(cell("import time"), cell("while True:\n    time.sleep(0.1)"), timeout=6)
    assert done.code == 1
    assert done.stderr.startswith(
        "work/a.ipynb: cell 2 was running when the notebook's timeout of 6 s ended."
    )
    assert "   1 | while True:" in done.stderr


def test_a_loop_that_ignores_interrupts_is_stopped_too(run: Callable[..., Finished]) -> None:
    source = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True:\n    pass"
    done = run(cell(source), timeout=6)
    assert done.stderr.startswith("work/a.ipynb: cell 1 was running when")


def test_a_kernel_that_dies_is_reported_with_its_cell(run: Callable[..., Finished]) -> None:
    done = run(cell("x = 1"), cell("import os\nos._exit(9)"))
    assert done.stderr.startswith("work/a.ipynb: cell 2 killed the kernel")
    assert "   2 | os._exit(9)" in done.stderr


def test_parameters_replace_what_the_tagged_cell_says(run: Callable[..., Finished]) -> None:
    done = run(
        cell("rows = 10**9\nseeds: list = []", tags=TAGS),
        cell("print(rows, seeds)"),
        parameters={"rows": 10, "seeds": [1, 2]},
    )
    assert done.code == 0
    assert done.text(3) == "10 [1, 2]\n"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            [cell("rows = 1\nseed = 2", tags=TAGS)],
            "the field `parameters` sets 'row', but cell 1, tagged 'parameters', does not assign "
            "it. It assigns: rows, seed.",
        ),
        (
            [cell("rows = 1")],
            "the field `parameters` is set, but no cell is tagged 'parameters'. Tag the cell that "
            "assigns row (in JupyterLab's property inspector).",
        ),
    ],
)
def test_an_unknown_parameter_is_an_error(
    run: Callable[..., Finished], cells: list[dict[str, object]], message: str
) -> None:
    done = run(*cells, parameters={"row": 10})
    assert (done.code, done.stderr) == (1, f"work/a.ipynb: {message}\n")


def test_an_invalid_notebook_is_reported(run: Callable[..., Finished]) -> None:
    done = run(problem="work/a.ipynb:1:1 is not JSON.")
    assert (done.code, done.stderr) == (1, "work/a.ipynb:1:1 is not JSON.\n")
    assert done.report.get("failures") == "1"


def test_plots_need_no_screen(run: Callable[..., Finished]) -> None:
    drawn = (
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"
        "print(plt.get_backend())"
    )
    done = run(cell(drawn))
    assert (done.code, done.text(1)) == (0, "inline\n")
    images = [output["data"] for output in done.executed["cells"][0]["outputs"] if "data" in output]
    assert "image/png" in images[0]
