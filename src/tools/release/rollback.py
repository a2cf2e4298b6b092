"""Return a model to the release before: its image, its version in MLflow, its DAG's declaration.

Examples:
  ./pants run src/tools:rollback -- iris --environment prod
  ./pants run src/tools:rollback -- iris --environment prod --dry-run
  ./pants run src/tools:rollback -- iris --environment prod --to 3 --yes

Builds nothing: all of it is in the registry, in MLflow and in the history beside the DAGs. A second
call goes one release further back; `--to` goes to any, forwards too. Code that all models' DAGs
share stays as it is. Exits like `deploy`.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.errors import InputError
from cli.task import TaskContext
from config.settings import Settings

PROG = "tools.release.rollback"


class RollbackSettings(Settings):
    """What to return to."""

    section: ClassVar[str] = "rollback"

    name: CliPositionalArg[str] = Field("", description="the model's name")
    to: int | None = Field(
        None, ge=1, description="a release's number; default: the one before the present one"
    )
    dry_run: bool = Field(False, description="stop when it is said what would be done")
    yes: bool = Field(False, description="do not ask")


def run(settings: RollbackSettings, context: TaskContext) -> int:
    """Roll one model back."""
    from tools.release.artifacts import Registry
    from tools.release.plan import plan_rollback
    from tools.release.site import Site
    from tools.workspace.git import find_root

    root = find_root()
    if not settings.name:
        raise InputError(
            "Name a model: e.g. ./pants run src/tools:rollback -- iris --environment prod"
        )
    site = Site.of(settings.name, context)
    # What is refused is refused before Pants is asked for anything.
    target = site.rollback_target(settings.to)
    plan = plan_rollback(site, target, Registry.packaged(root, site.registry))
    return plan.confirm_and_carry_out(dry_run=settings.dry_run, yes=settings.yes, done="back at")


main = partial(task.main, RollbackSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
