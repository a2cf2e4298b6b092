"""Return a model to its previous release: its image, its version in MLflow, and its DAG.

Examples:
  ./pants run src/tools:rollback -- iris --environment prod
  ./pants run src/tools:rollback -- iris --environment prod --dry-run
  ./pants run src/tools:rollback -- iris --environment prod --to 3 --yes

Builds nothing: the registry, MLflow and the history in the DAG folder have all parts. Run it again
to go back one more release, or use `--to` for any release, also a later one. The shared code of all
DAGs does not change. The exit codes are those of `deploy`.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.task import TaskContext
from config.settings import Settings

PROG = "tools.release.rollback"
EXAMPLE = "./pants run src/tools:rollback -- iris --environment prod"


class RollbackSettings(Settings):
    """The release to return to."""

    section: ClassVar[str] = "rollback"

    name: CliPositionalArg[str] = Field("", description="the model's name")
    to: int | None = Field(
        None, ge=1, description="a release's number; default: the one before the current release"
    )
    dry_run: bool = Field(False, description="show what would change, and stop")
    yes: bool = Field(False, description="do not ask for confirmation")


def run(settings: RollbackSettings, context: TaskContext) -> int:
    """Roll one model back."""
    from tools.release.artifacts import Registry
    from tools.release.environment import DeploymentEnvironment
    from tools.release.rollback_task import plan_rollback
    from tools.workspace.git import find_root
    from tools.workspace.models import check_model

    root = find_root()
    check_model(root, settings.name, example=EXAMPLE)
    environment = DeploymentEnvironment.of(settings.name, context)
    # Find errors before Pants packages the registry's program.
    target = environment.rollback_target(settings.to)
    plan = plan_rollback(environment, target, Registry.package(root, environment.registry))
    return plan.confirm_and_apply(dry_run=settings.dry_run, yes=settings.yes, done="rolled back to")


main = partial(task.main, RollbackSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
