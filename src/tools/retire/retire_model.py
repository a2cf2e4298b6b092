"""Remove a model everywhere, once nobody depends on it.

Examples:
  ./pants run src/tools:retire-model -- churn --dry-run
  ./pants run src/tools:retire-model -- churn

Removed are its folder, its tests, and the contracts that nobody else uses. First it says who
depends on the model: other code, tests, notebooks, each with the dependencies that lead there, and
the lines of pages and configuration that name it; while there are any, it exits with 1 and removes
nothing. A line that named the model before there was one is an example, and no obstacle. Feature
views that are unused afterwards stay, and are named. So is what lies outside of git, with the
commands that remove it. Exits with 2 where there is no such model, or where something that would be
removed is not committed; --force removes it all the same.
"""

from __future__ import annotations

import difflib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.errors import InputError, UserError
from cli.task import TaskContext
from config.settings import Settings

if TYPE_CHECKING:
    from tools.retire.retire_model_task import Retirement
    from tools.workspace.target_graph import TargetGraph

PROG = "tools.retire.retire_model"
OUTSIDE = """\
Outside of git, for a person to remove, where it is:
  versions in MLflow
    python -c "from mlflow import MlflowClient as C; C().delete_registered_model('{name}')"
  its DAG: the first at once, the second once the bundle without it is deployed
    airflow dags pause {name}
    airflow dags delete --yes {name}
  images in ECR, and on this machine
    aws ecr delete-repository --repository-name models/{name} --force
    docker image ls --quiet models/{name} | xargs -r docker image rm --force"""


class RetireModelSettings(Settings):
    """What to remove."""

    section: ClassVar[str] = "retire_model"

    name: CliPositionalArg[str] = Field("", description="the model's name")
    dry_run: bool = Field(False, description="show what would be removed, and remove nothing")
    force: bool = Field(False, description="remove what is not committed, too")


def run(settings: RetireModelSettings, context: TaskContext) -> int:
    """Remove one model, or say who depends on it."""
    from cli.terminal import show
    from tools.retire.retire_model_task import remove, retirement_of
    from tools.workspace.git import find_root

    root, name = find_root(), settings.name
    _check_name(root, name)
    retirement = retirement_of(root, name, _graph(root))
    _check_dependents(retirement)
    if not settings.dry_run and not settings.force:
        _check_committed(root, retirement)
    for path in retirement.removed:
        show(f"{'would remove' if settings.dry_run else 'removed'} {path}")
    if not settings.dry_run:
        remove(root, retirement.removed)
    _report(retirement)
    return 0


def _check_name(root: Path, name: str) -> None:
    from tools.retire.retire_model_task import models_of

    models = models_of(root)
    if not name:
        raise InputError("Name a model: e.g. ./pants run src/tools:retire-model -- churn")
    if name not in models:
        close = difflib.get_close_matches(name, models)
        hint = f"did you mean {' or '.join(close)}?" if close else f"models: {', '.join(models)}."
        raise InputError(f"No model {name!r} in src/models; {hint}")


def _graph(root: Path) -> TargetGraph:
    from cli.terminal import say
    from tools.workspace.target_graph import TargetGraph

    say("Asking Pants what depends on it …")
    return TargetGraph.of_repository(root)


def _check_dependents(retirement: Retirement) -> None:
    from cli.terminal import show

    for path in retirement.dependents:
        show(" → ".join(path))
    for line in retirement.mentions:
        show(line)
    if count := len(retirement.dependents) + len(retirement.mentions):
        raise UserError(
            f"{retirement.name}: {count} files or lines depend on it, see above. Change them "
            "first; nothing is removed."
        )


def _check_committed(root: Path, retirement: Retirement) -> None:
    from tools.workspace.git import uncommitted

    if found := uncommitted(root, *retirement.removed):
        raise InputError(
            f"{retirement.name}: not committed, so it would be lost: {', '.join(found)}. Commit it "
            "first, or remove it all the same by --force; nothing is removed."
        )


def _report(retirement: Retirement) -> None:
    from cli.terminal import say, show

    say(f"{retirement.name}: nobody depends on it.")
    for module, user in retirement.kept:
        show(f"kept {module}: {user} uses it")
    for view in retirement.unused:
        show(f"unused now, and kept: {view}")
    show(OUTSIDE.format(name=retirement.name))


main = partial(task.main, RetireModelSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
