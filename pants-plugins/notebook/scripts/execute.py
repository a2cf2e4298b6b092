"""Execute a notebook, and report which cell failed and why.

The argument is a JSON file with the keys of `Execution`. It names the kernel, and no other
installed kernel is used.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

# jupyter_client reads these at import, and Matplotlib and IPython when the kernel starts.
os.environ.update(
    JUPYTER_PATH=os.path.abspath(".jupyter"),
    JUPYTER_CONFIG_DIR=os.path.abspath(".jupyter/config"),
    JUPYTER_RUNTIME_DIR=os.path.abspath(".jupyter/runtime"),
    IPYTHONDIR=os.path.abspath(".jupyter/ipython"),
    MPLCONFIGDIR=os.path.abspath(".jupyter/matplotlib"),
)
os.environ.setdefault("HOME", os.path.abspath(".jupyter/home"))

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.parameterize import parameterize_notebook

KERNEL = "sandbox"
TAG = "parameters"
# Otherwise it warns that its connection is not encrypted, which never leaves this machine.
QUIET = "--IPKernelApp.log_level=CRITICAL"
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class NotebookFailedError(Exception):
    """A notebook failed. Only the message is shown, without a traceback."""


@dataclass(frozen=True)
class Execution:
    """All paths are relative to the working folder."""

    notebook: str
    kernel: Sequence[str]
    # The folder of its `python`, so that `!python` is the same interpreter.
    programs: str
    executed: str
    report: str
    source_roots: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    # Why the file cannot be executed.
    problem: str = ""


@dataclass
class Progress:
    """The running cell, and the durations of the cells before it."""

    number: str = ""
    cell: NotebookNode = field(default_factory=NotebookNode)
    started: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def start(self, cell: NotebookNode, cell_index: int) -> None:
        """Called before each cell."""
        self.number, self.cell = cell.metadata["number"], cell
        self.started = time.monotonic()

    def end(self, cell: NotebookNode, cell_index: int, execute_reply: Mapping[str, Any]) -> None:
        """Called after each cell, failed or not."""
        if execute_reply["content"]["status"] == "ok":
            self.seconds[self.number] = time.monotonic() - self.started


def assigned_names(source: str) -> list[str]:
    """The names that a cell assigns."""
    targets = (
        target
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    )
    names = (node for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
    return sorted({name.id for name in names if isinstance(name.ctx, ast.Store)})


def with_parameters(notebook: NotebookNode, parameters: Mapping[str, Any]) -> NotebookNode:
    """The notebook with the parameters in a new cell after the one tagged `parameters`.

    Raises:
        NotebookFailedError: There is no such cell, or it does not assign all of the names.
    """
    if not parameters:
        return notebook
    tagged = next((cell for cell in notebook.cells if TAG in cell.metadata.get("tags", [])), None)
    if tagged is None:
        raise NotebookFailedError(
            f"the field `parameters` is set, but no cell is tagged {TAG!r}. Tag the cell that "
            f"assigns {', '.join(parameters)} (in JupyterLab's property inspector)."
        )
    known = assigned_names(tagged.source)
    unknown = sorted({*parameters} - {*known})
    if unknown:
        raise NotebookFailedError(
            f"the field `parameters` sets {unknown[0]!r}, but cell {tagged.metadata['number']}, "
            f"tagged {TAG!r}, does not assign it. It assigns: {', '.join(known) or 'nothing'}."
        )
    # papermill expects what its own reader sets: this, and `tags` in each cell.
    notebook.metadata.setdefault("papermill", {})
    parameterized: NotebookNode = parameterize_notebook(
        notebook, dict(parameters), kernel_name=KERNEL, language="python"
    )
    return parameterized


def read(execution: Execution) -> NotebookNode:
    """Read the notebook, and number its cells from 1 as in the file."""
    notebook = nbformat.from_dict(json.loads(Path(execution.notebook).read_bytes()))  # type: ignore[no-untyped-call]
    for number, cell in enumerate(notebook.cells, start=1):
        cell.metadata["number"] = str(number)
        cell.metadata.setdefault("tags", [])
    notebook = with_parameters(notebook, execution.parameters)
    for cell in notebook.cells:
        cell.metadata.setdefault("number", "of the injected parameters")
    return notebook


def install_kernel(execution: Execution) -> None:
    """Write the kernel's description to the folder that jupyter_client searches first."""
    roots = os.pathsep.join(str(Path(root).resolve()) for root in execution.source_roots)
    program, *arguments = execution.kernel
    spec = {
        "argv": [
            *(str(Path(program).resolve()), *arguments, "-f", "{connection_file}", QUIET),
            # Not in `env`, because the program sets its own PATH.
            f"--IPKernelApp.exec_lines={path_line(execution)}",
        ],
        "display_name": KERNEL,
        "language": "python",
        "env": {"PEX_EXTRA_SYS_PATH": roots},
    }
    folder = Path(os.environ["JUPYTER_PATH"], "kernels", KERNEL)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernel.json").write_text(json.dumps(spec))


def path_line(execution: Execution) -> str:
    """A line that sets PATH and defines no names, which a notebook might use by mistake."""
    environment = "__import__('os').environ"
    programs = f"{Path(execution.programs).resolve()}{os.pathsep}"
    return f"{environment}.update(PATH={programs!r} + {environment}['PATH'])"


def run(notebook: NotebookNode, execution: Execution, progress: Progress) -> None:
    """Run all cells in the folder of the notebook.

    Raises:
        NotebookFailedError: A cell failed, took too long, or killed the kernel.
    """
    deadline = time.monotonic() + execution.timeout if execution.timeout else None
    client = NotebookClient(
        notebook,
        kernel_name=KERNEL,
        resources={"metadata": {"path": str(Path(execution.notebook).parent)}},
        timeout_func=lambda _: max(deadline - time.monotonic(), 0.1) if deadline else None,
        startup_timeout=int(execution.timeout or 600),
        on_cell_execute=progress.start,
        on_cell_executed=progress.end,
    )
    try:
        client.execute()
    except CellTimeoutError:
        message = (
            f"was running when the notebook's timeout of {execution.timeout:g} s ended. Make it "
            "faster, set smaller `parameters`, or raise `timeout`."
        )
    except DeadKernelError:
        message = "killed the kernel, possibly because memory ran out."
    except CellExecutionError as error:
        message = f"failed: {error.ename}: {error.evalue}"
    else:
        return
    source, traceback = numbered(progress.cell.source), traceback_of(progress.cell)
    raise NotebookFailedError(f"cell {progress.number} {message}", source, traceback)


def traceback_of(cell: NotebookNode) -> str:
    """The kernel's traceback, without colours."""
    errors = (output for output in cell.outputs if output.output_type == "error")
    lines: list[str] = next((output.traceback for output in errors), [])
    return _COLOURS.sub("", "\n".join(lines))


def numbered(source: str) -> str:
    """Add line numbers to the source of a cell."""
    return "\n".join(f"{n:>4} | {line}" for n, line in enumerate(source.split("\n"), start=1))


def report(execution: Execution, progress: Progress, failure: str) -> None:
    """Write a JUnit report, with a test case for each executed cell."""
    suite = ElementTree.Element("testsuite", name=execution.notebook)
    for number, seconds in progress.seconds.items():
        name = f"cell {number}"
        ElementTree.SubElement(
            suite, "testcase", classname=execution.notebook, name=name, time=f"{seconds:.3f}"
        )
    if failure:
        name = f"cell {progress.number}" if progress.number else "start"
        case = ElementTree.SubElement(suite, "testcase", classname=execution.notebook, name=name)
        ElementTree.SubElement(case, "failure", message=failure.split("\n")[0]).text = failure
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(int(bool(failure))))
    ElementTree.ElementTree(suite).write(execution.report, encoding="utf-8")


def save(notebook: NotebookNode, path: str) -> None:
    """Write the notebook with the outputs of the executed cells."""
    for cell in notebook.cells:
        cell.metadata.pop("number", None)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]


def execute(execution: Execution) -> str:
    """Execute the notebook, and return the failure or ""."""
    progress = Progress()
    failure = ""
    try:
        if execution.problem:
            raise NotebookFailedError(execution.problem)
        notebook = read(execution)
        install_kernel(execution)
        try:
            run(notebook, execution, progress)
        finally:
            save(notebook, execution.executed)
    except NotebookFailedError as error:
        failure = "\n\n".join(filter(None, error.args))
    report(execution, progress, failure)
    return failure


def main(argv: Sequence[str] | None = None) -> int:
    """Execute the notebook of a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("execution")
    file = Path(parser.parse_args(argv).execution)
    execution = Execution(**json.loads(file.read_bytes()))
    failure = execute(execution)
    if failure:
        print(failure if execution.problem else f"{execution.notebook}: {failure}", file=sys.stderr)
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
