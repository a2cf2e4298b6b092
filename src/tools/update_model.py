"""Bring what has changed in the template of models since to a model that `new-model` started.

Examples:
  ./pants run src/tools:update-model -- churn

What was changed in the model by hand stays. Where that and the template changed the same lines,
both stand in the file, between the conflict markers that git has, and this exits with 1. Exits with
2 and writes nothing where the model was not started by `new-model` or is not committed as it is.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from config import task
from config.errors import InputError
from config.settings import Settings
from config.task import Invocation

PROG = "tools.update_model"


class UpdateModelSettings(Settings):
    """What to update."""

    section: ClassVar[str] = "update_model"

    name: CliPositionalArg[str] = Field("", description="the model's name")


def run(settings: UpdateModelSettings, invocation: Invocation) -> int:
    """Update one model, and name the files that changed."""
    from config.terminal import say
    from tools.model_update import updated
    from tools.repository import find_root

    if not settings.name:
        raise InputError("Name a model: e.g. ./pants run src/tools:update-model -- churn")
    root = find_root()
    update = updated(root, settings.name)
    for path in update.changed:
        conflict = ": in conflict, see its markers" if path in update.conflicts else ""
        print(f"{path}{conflict}")
    if not update.changed:
        say(f"{settings.name}: the template has brought nothing new.")
    if f"src/datasets/{settings.name}.py" in update.changed:
        say("Then: ./pants run src/datasets:contracts -- export")
    return 1 if update.conflicts else 0


main = partial(task.main, UpdateModelSettings, run, prog=PROG, doc=__doc__)

if __name__ == "__main__":
    main()
