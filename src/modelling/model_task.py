"""The command line of a model's task. The calling module or `--model` names the model."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NoReturn, cast

from cli import task
from cli.task import TaskContext
from config.settings import Settings

if TYPE_CHECKING:
    from modelling.definition import ModelDefinition

type RunModelTask[S: Settings] = Callable[[ModelDefinition, S, TaskContext], int]


def main[S: Settings](
    name: str,
    settings: type[S],
    run: RunModelTask[S],
    definition: str | None = None,
    *,
    doc: str | None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Run the task `name` and exit, as `cli.task.main` does.

    `definition` is the module with the model's `MODEL`; without it, `--model` names the model. It
    is imported late, so that `--help` is fast.
    """

    def run_model(values: S, context: TaskContext) -> int:
        module = definition or f"models.{context.choices['model']}.definition"
        return run(_load(module), values, context)

    package = definition.rpartition(".")[0] if definition else "models"
    task.main(
        settings,
        run_model,
        prog=f"{package}.{name}",
        doc=doc,
        argv=argv,
        choices=None if definition else {"model": model_names},
    )


def model_names() -> list[str]:
    """The models that this package contains."""
    models = importlib.import_module("models")
    return sorted(module.name for module in pkgutil.iter_modules(models.__path__) if module.ispkg)


def _load(module: str) -> ModelDefinition:
    return cast("ModelDefinition", importlib.import_module(module).MODEL)
