"""Say which models, images, notebooks, DAGs and data contracts a change affects, and why.

Examples:
  ./pants run src/tools:affected -- --since main
  ./pants run src/tools:affected -- --since main --json
  ./pants run src/tools:affected -- --since main --svg affected.svg

Compared is the working tree, committed or not, with the commit at which HEAD left the revision. A
shallow clone fetches what it lacks of the history.

Exits with 0 when done, with 1 where it cannot say (the history cannot be fetched, Pants does not
answer), with 2 on a wrong revision or option.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NoReturn

from pydantic import Field

from cli.errors import InputError
from cli.task import TaskContext
from cli.task import main as main_of_task
from config.settings import Settings

PROG = "tools.change.affected"
DRAW = "src/tools:svg"


class AffectedSettings(Settings):
    """What to compare, and how to say it."""

    section: ClassVar[str] = "affected"
    # pydantic's models have a method that is named `json`.
    shortcuts: ClassVar[Mapping[str, str]] = {"as-json": "json"}

    since: str = Field("main", description="the branch, tag or commit to compare with")
    as_json: bool = Field(False, description="print JSON, for programs")
    dot: bool = Field(False, description="print a graph in the language of Graphviz")
    svg: Path | None = Field(None, description="draw the graph into this file, too")
    targets: Path | None = Field(
        None,
        description="what `./pants peek ::` printed into a file; without it, Pants is asked",
    )


def run(settings: AffectedSettings, context: TaskContext) -> int:
    """Say what a change affects."""
    from cli.terminal import show
    from tools.change.affected_report import as_dot, as_json, as_text
    from tools.change.affected_task import inquire
    from tools.workspace.git import find_root

    if settings.as_json and settings.dot:
        raise InputError("--json and --dot both go to standard output: choose one.")
    root = find_root()
    found = inquire(root, settings.since, settings.targets)
    dot = as_dot(found.change, found.graph)
    if settings.svg:
        _draw(root, dot, settings.svg)
    if settings.dot or settings.as_json:
        sys.stdout.write(dot if settings.dot else as_json(found.change, found.base, found.graph))
    else:
        show(as_text(found.change, found.base, found.graph).rstrip("\n"))
    return 0


def _draw(root: Path, dot: str, file: Path) -> None:
    """By the program that draws: Graphviz is in a resolve of its own."""
    from cli.terminal import say
    from data_access_layer.atomic import staged
    from tools.workspace.pants import call_pants

    say("Drawing …")
    with staged(file, option="--svg") as staging:
        staging.write_text(call_pants(root, ["run", DRAW], stdin=dot))
    say(f"Drawn: {file}")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    main_of_task(AffectedSettings, run, prog=PROG, doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
