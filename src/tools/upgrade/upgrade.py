"""Upgrade a requirement everywhere: its line, the lockfiles and the closures.

Examples:
  ./pants run src/tools:upgrade -- rich
  ./pants run src/tools:upgrade -- mlflow==3.17.1 pandas
  ./pants run src/tools:upgrade -- pytest --resolve default --dry-run
  ./pants run src/tools:upgrade -- rich --markdown > report.md

Upgrades each requirement to its newest compatible version, or to the version or range that you
name, and other packages only if they have to change with it. If the newest version is not
compatible, tries the next lower ones and prints the reason. Then lists the changed packages, and
what they affect.

Exit codes: 0 done, or nothing is newer; 1 no version is compatible; 2 unknown name. If it fails, no
file changes.
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

PROG = "tools.upgrade.upgrade"


class UpgradeSettings(Settings):
    """What to upgrade, and the format of the report."""

    section: ClassVar[str] = "upgrade"
    # pydantic's models have a method that is named `json`.
    shortcuts: ClassVar[dict[str, str]] = {"as-json": "json"}

    names: CliPositionalArg[list[str]] = Field(
        default_factory=list, description="requirements: rich, rich==15.0.0, 'rich>=14,<15'"
    )
    resolve: str = Field("", description="only this resolve; default: all that require it")
    dry_run: bool = Field(False, description="show what would change, and write nothing")
    as_json: bool = Field(False, description="print JSON")
    markdown: bool = Field(False, description="print Markdown, for a merge request")


def run(settings: UpgradeSettings, context: TaskContext) -> int:
    """Upgrade, and report."""
    from tools.upgrade.upgrade_report import as_json, as_markdown, as_text
    from tools.upgrade.upgrade_task import find_affected_names, plan_upgrades
    from tools.workspace.git import find_root

    if not settings.names:
        raise InputError("Name a requirement, for example: ./pants run src/tools:upgrade -- rich")
    if settings.as_json and settings.markdown:
        raise InputError("--json and --markdown both write to standard output. Choose one.")
    upgrade = plan_upgrades(find_root(), settings.names, settings.resolve)
    if upgrade.files and not settings.dry_run:
        upgrade = upgrade.write()
    report = as_json if settings.as_json else as_markdown if settings.markdown else as_text
    print(report(upgrade, find_affected_names(upgrade)), end="")
    return 0


main = partial(task.main, UpgradeSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
