"""Apply later changes of a template to a model, dataset or feature view that was started from it.

Examples:
  ./pants run src/tools:update-from-template -- churn
  ./pants run src/tools:update-from-template -- customer_orders

`new-model`, `new-dataset` and `new-feature-view` start from templates. The update keeps what was
changed by hand. If the template changed the same lines, the file has both versions between git's
conflict markers, and this exits with 1. Exits with 2 and writes nothing if the name was not started
from a template or has uncommitted changes.
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

PROG = "tools.scaffold.update_from_template"


class UpdateSettings(Settings):
    """What to update."""

    section: ClassVar[str] = "update_from_template"

    name: CliPositionalArg[str] = Field("", description="a model, dataset or feature view")


def run(settings: UpdateSettings, context: TaskContext) -> int:
    """Update the files, and name those that changed."""
    from cli.terminal import say, show
    from tools.scaffold.template_update import update_files
    from tools.workspace.git import find_root

    if not settings.name:
        raise InputError(
            "The name is missing. Example: ./pants run src/tools:update-from-template -- churn"
        )
    root = find_root()
    update = update_files(root, settings.name)
    for path in update.changed:
        conflict = ": has conflict markers" if path in update.conflicts else ""
        show(f"{path}{conflict}")
    if not update.changed:
        say(f"{settings.name}: the template has no new changes.")
    if f"src/datasets/{settings.name}.py" in update.changed:
        say("Next: ./pants run src/datasets:contracts -- export")
    return 1 if update.conflicts else 0


main = partial(task.main, UpdateSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
