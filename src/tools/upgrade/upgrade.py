"""Upgrade a requirement everywhere: its line, the lockfiles, the closures; and say what moved.

Examples:
  ./pants run src/tools:upgrade -- rich
  ./pants run src/tools:upgrade -- mlflow==3.17.1 pandas
  ./pants run src/tools:upgrade -- pytest --resolve default --dry-run
  ./pants run src/tools:upgrade -- rich --markdown > report.md

Moves what is asked for to its newest version that fits, or into the range that is named, and else
only what has to move with it. Where the newest does not fit with the rest, the next ones below it
are tried, and why is said. Exits with 0 when done or nothing is newer, with 1 where no version can
be had, with 2 on an unknown name; the files are then as they were.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli import task
from cli.errors import InputError
from cli.task import TaskContext
from config.settings import Settings

if TYPE_CHECKING:
    from tools.upgrade.upgrade_task import Upgrade

PROG = "tools.upgrade.upgrade"


class UpgradeSettings(Settings):
    """What to upgrade, and how to say it."""

    section: ClassVar[str] = "upgrade"
    # pydantic's models have a method that is named `json`.
    shortcuts: ClassVar[dict[str, str]] = {"as-json": "json"}

    names: CliPositionalArg[list[str]] = Field(
        default_factory=list, description="requirements: rich, rich==15.0.0, 'rich>=14,<15'"
    )
    resolve: str = Field("", description="only this resolve; default: all that require it")
    dry_run: bool = Field(False, description="say what would move, and write nothing")
    as_json: bool = Field(False, description="print JSON, for programs")
    markdown: bool = Field(False, description="print Markdown, for a merge request")


def run(settings: UpgradeSettings, context: TaskContext) -> int:
    """Upgrade, and report."""
    from tools.upgrade.upgrade_report import as_json, as_markdown, as_text
    from tools.upgrade.upgrade_task import plan_upgrades
    from tools.workspace.git import find_root

    if not settings.names:
        raise InputError("Name a requirement: e.g. ./pants run src/tools:upgrade -- rich")
    if settings.as_json and settings.markdown:
        raise InputError("--json and --markdown both go to standard output: choose one.")
    root = find_root()
    upgrade = plan_upgrades(root, settings.names, settings.resolve)
    if upgrade.files and not settings.dry_run:
        upgrade = upgrade.carried_out(root)
    report = as_json if settings.as_json else as_markdown if settings.markdown else as_text
    print(report(upgrade, _affected(upgrade)), end="")
    return 0


def _affected(upgrade: Upgrade) -> dict[str, list[str]]:
    """The names of what the changed files touch, by kind."""
    from cli.terminal import say
    from tools.change.affected_artifacts import change_of
    from tools.change.affected_rules import KINDS
    from tools.workspace.target_graph import TargetGraph

    if not upgrade.files:
        return {}
    say("Asking Pants what depends on it …")
    graph = TargetGraph.of_repository(upgrade.root)
    change = change_of(upgrade.touched, graph)
    return {kind.name: [thing.name for thing in change.of_kind(kind.name)] for kind in KINDS}


main = partial(task.main, UpgradeSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
