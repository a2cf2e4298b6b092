"""Deploy a model: its image, its version in MLflow, and the declaration of its DAG.

Examples:
  ./pants run src/tools:deploy -- iris --environment staging
  ./pants run src/tools:deploy -- iris --environment staging --dry-run
  ./pants run src/tools:deploy -- iris --environment prod --version 4 --yes

Builds what the commit has, shows what is deployed and what would be, and asks. Where nothing
differs it does nothing. Where a step fails, what runs is what ran before; the same call again goes
on. `./pants run src/tools:rollback -- iris --environment prod` returns to the release before.

Which registry and which folder of DAGs is the environment's: [deployment] in
src/config/environments/*.toml. Exits with 0 when done or when nothing is to be done, with 1 where a
step failed or somebody said no, with 2 on wrong settings or options.
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

PROG = "tools.release.deploy"


class DeploySettings(Settings):
    """What to deploy."""

    section: ClassVar[str] = "deploy"

    name: CliPositionalArg[str] = Field("", description="the model's name")
    version: str = Field(
        "", description="the version's number in MLflow; default: the one with the alias"
    )
    dry_run: bool = Field(False, description="stop when it is said what would be done")
    yes: bool = Field(False, description="do not ask")


def run(settings: DeploySettings, context: TaskContext) -> int:
    """Deploy one model."""
    from tools.release.artifacts import Registry, build
    from tools.release.plan import plan_deployment
    from tools.release.site import (
        Site,
        check_committed,
        check_model,
        choose_version,
        commit_of,
    )
    from tools.workspace.git import find_root

    root = find_root()
    if not settings.name:
        raise InputError(
            "Name a model: e.g. ./pants run src/tools:deploy -- iris --environment staging"
        )
    check_model(root, settings.name)
    site = Site.of(settings.name, context)
    if site.environment != "dev":
        check_committed(root)
    # What cannot be reached is told before minutes of building.
    version = choose_version(site.versions, settings.version)
    site.bundle.current()
    artifacts = build(root, settings.name)
    registry = Registry.packaged(root, site.registry)
    plan = plan_deployment(
        site, artifacts, registry, root=root, version=version, commit=commit_of(root)
    )
    return plan.confirm_and_carry_out(dry_run=settings.dry_run, yes=settings.yes, done="deployed")


main = partial(task.main, DeploySettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
