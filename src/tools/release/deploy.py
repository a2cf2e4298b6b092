"""Deploy a model: its image, its version in MLflow, and its DAG.

Examples:
  ./pants run src/tools:deploy -- iris --environment staging
  ./pants run src/tools:deploy -- iris --environment staging --dry-run
  ./pants run src/tools:deploy -- iris --environment prod --version 4 --yes

Builds the checked-out commit, shows what would change, and asks for confirmation. If nothing
changes, it does nothing. If a step fails, it undoes the earlier steps, so that the earlier release
still runs; run the same command again to continue. To return to the previous release, run
`./pants run src/tools:rollback -- iris --environment prod`.

Set the environment's image registry and DAG folder in the section [deployment] of
src/config/environments/*.toml.

Exit codes: 0 done, or nothing to do; 1 a step failed, or not confirmed; 2 wrong settings or
options.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.task import TaskContext
from config.settings import Settings

PROG = "tools.release.deploy"
EXAMPLE = "./pants run src/tools:deploy -- iris --environment staging"


class DeploySettings(Settings):
    """What to deploy."""

    section: ClassVar[str] = "deploy"

    name: CliPositionalArg[str] = Field("", description="the model's name")
    version: str = Field(
        "", description="the version's number in MLflow; default: the one with the alias"
    )
    dry_run: bool = Field(False, description="show what would change, and stop")
    yes: bool = Field(False, description="do not ask for confirmation")


def run(settings: DeploySettings, context: TaskContext) -> int:
    """Deploy one model."""
    from tools.release.artifacts import Registry, build
    from tools.release.deploy_task import plan_deployment
    from tools.release.environment import (
        DeploymentEnvironment,
        check_committed,
        choose_version,
        head_commit,
    )
    from tools.workspace.git import find_root
    from tools.workspace.models import check_model

    root = find_root()
    check_model(root, settings.name, example=EXAMPLE)
    environment = DeploymentEnvironment.of(settings.name, context)
    if environment.name != "dev":
        check_committed(root)
    # Before the build, which takes minutes, check that MLflow and the DAG folder can be reached.
    version = choose_version(environment.versions, settings.version)
    environment.current()
    artifacts = build(root, settings.name)
    registry = Registry.package(root, environment.registry)
    plan = plan_deployment(
        environment, artifacts, registry, root=root, version=version, commit=head_commit(root)
    )
    return plan.confirm_and_apply(dry_run=settings.dry_run, yes=settings.yes, done="deployed")


main = partial(task.main, DeploySettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
