"""Remove a model that nothing depends on.

Examples:
  ./pants run src/tools:retire-model -- churn --dry-run
  ./pants run src/tools:retire-model -- churn

Removes the model's folder, its tests, and the contracts that only it uses. Before that, lists what
depends on the model: code, tests and notebooks with the dependencies that lead to it, and lines of
documentation and configuration that name it. If there are any, removes nothing. Ignores lines that
named the model before it existed: they are examples.

Keeps feature views that become unused, and lists them. Prints the commands that remove what is not
in git: versions, the DAG, images.

Exit codes: 0 done; 1 something depends on the model; 2 there is no such model, or it has
uncommitted files, which only --force removes.
"""

from __future__ import annotations

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

PROG = "tools.retire.retire_model"
EXAMPLE = "./pants run src/tools:retire-model -- churn"
OUTSIDE = """\
Not in git. Remove what exists by hand:
  versions in MLflow
    python -c "from mlflow import MlflowClient as C; C().delete_registered_model('{name}')"
  its DAG: pause it now, delete it after the bundle without it is deployed
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
    force: bool = Field(False, description="also remove uncommitted files")


def run(settings: RetireModelSettings, context: TaskContext) -> int:
    """Remove one model, or list what depends on it."""
    from cli.terminal import say, show
    from tools.retire.retire_model_task import plan_retirement, remove
    from tools.workspace.git import find_root
    from tools.workspace.models import check_model
    from tools.workspace.target_graph import TargetGraph

    root, name = find_root(), settings.name
    check_model(root, name, example=EXAMPLE)
    say("Asking Pants for the model's dependents …")
    retirement = plan_retirement(root, name, TargetGraph.of_repository(root))
    _check_dependents(retirement)
    if not settings.dry_run and not settings.force:
        _check_committed(root, retirement)
    for path in retirement.removed:
        show(f"{'would remove' if settings.dry_run else 'removed'} {path}")
    if not settings.dry_run:
        remove(root, retirement.removed)
    _report(retirement)
    return 0


def _check_dependents(retirement: Retirement) -> None:
    from cli.terminal import show

    for path in retirement.dependents:
        show(" → ".join(path))
    for line in retirement.mentions:
        show(line)
    if count := len(retirement.dependents) + len(retirement.mentions):
        raise UserError(
            f"{retirement.name}: {count} files or lines depend on it, see above. Nothing was "
            "removed. Change them first."
        )


def _check_committed(root: Path, retirement: Retirement) -> None:
    from tools.workspace.git import uncommitted

    if found := uncommitted(root, *retirement.removed):
        raise InputError(
            f"{retirement.name}: not committed, and would be lost: {', '.join(found)}. Nothing was "
            "removed. Commit these files, or use --force to remove them."
        )


def _report(retirement: Retirement) -> None:
    from cli.terminal import say, show

    say(f"{retirement.name}: nothing depends on it.")
    for module, user in retirement.kept:
        show(f"kept {module}: {user} uses it")
    for view in retirement.unused:
        show(f"kept {view}: no longer used")
    show(OUTSIDE.format(name=retirement.name))


main = partial(task.main, RetireModelSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
