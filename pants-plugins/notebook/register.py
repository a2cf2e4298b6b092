from __future__ import annotations

from notebook import (
    clean,
    dependency_inference,
    lint,
    parse,
    ruff_cells,
    run,
    sound,
    subsystem,
    tailor,
    test,
    tools,
)
from notebook.target_types import JupyterLabTarget, NotebooksGeneratorTarget, NotebookTarget


def target_types():
    return (JupyterLabTarget, NotebookTarget, NotebooksGeneratorTarget)


def rules():
    return (
        *clean.rules(),
        *dependency_inference.rules(),
        *lint.rules(),
        *parse.rules(),
        *ruff_cells.rules(),
        *run.rules(),
        *sound.rules(),
        *subsystem.rules(),
        *tailor.rules(),
        *test.rules(),
        *tools.rules(),
    )
