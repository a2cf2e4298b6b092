"""Bring what has changed in a template since to what was started from it.

Examples:
  ./pants run src/tools:update-from-template -- churn
  ./pants run src/tools:update-from-template -- customer_orders

It is for what `new-model`, `new-dataset` and `new-feature-view` started. What was changed by hand
stays. Where that and the template changed the same lines, both stand in the file, between the
conflict markers that git has, and this exits with 1. Exits with 2 and writes nothing where it was
not started so or is not committed as it is.
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

    name: CliPositionalArg[str] = Field("", description="of a model, a dataset or a feature view")


def run(settings: UpdateSettings, context: TaskContext) -> int:
    """Update one thing, and name the files that changed."""
    from cli.terminal import say, show
    from tools.scaffold.template_update import updated
    from tools.workspace.git import find_root

    if not settings.name:
        raise InputError(
            "Name what to update: e.g. ./pants run src/tools:update-from-template -- churn"
        )
    root = find_root()
    update = updated(root, settings.name)
    for path in update.changed:
        conflict = ": in conflict, see its markers" if path in update.conflicts else ""
        show(f"{path}{conflict}")
    if not update.changed:
        say(f"{settings.name}: the template has brought nothing new.")
    if f"src/datasets/{settings.name}.py" in update.changed:
        say("Then: ./pants run src/datasets:contracts -- export")
    return 1 if update.conflicts else 0


main = partial(task.main, UpdateSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
