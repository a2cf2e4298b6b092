"""List the models, images, notebooks, DAGs and data contracts that a change affects, and why.

Examples:
  ./pants run src/tools:affected -- --since main
  ./pants run src/tools:affected -- --since main --json
  ./pants run src/tools:affected -- --since main --svg affected.svg

Compares the working tree, including uncommitted files, with the commit at which HEAD left the
revision. In a shallow clone, fetches the missing history.

Exit codes: 0 done; 1 the history cannot be fetched, or Pants fails; 2 wrong revision or option.
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
    """What to compare, and the format of the report."""

    section: ClassVar[str] = "affected"
    # pydantic's models have a method that is named `json`.
    shortcuts: ClassVar[Mapping[str, str]] = {"as-json": "json"}

    since: str = Field("main", description="the branch, tag or commit to compare with")
    as_json: bool = Field(False, description="print JSON")
    dot: bool = Field(False, description="print the graph in Graphviz' DOT language")
    svg: Path | None = Field(None, description="also draw the graph into this file")
    targets: Path | None = Field(
        None,
        description="a file with the output of `./pants peek ::`; default: call Pants",
    )


def run(settings: AffectedSettings, context: TaskContext) -> int:
    """Report what a change affects."""
    from cli.terminal import show
    from tools.change.affected_report import as_dot, as_json, as_text
    from tools.change.affected_task import find_affected
    from tools.workspace.git import find_root

    if settings.as_json and settings.dot:
        raise InputError("--json and --dot both write to standard output. Choose one.")
    root = find_root()
    found = find_affected(root, settings.since, settings.targets)
    dot = as_dot(found.change, found.graph)
    if settings.svg:
        _draw(root, dot, settings.svg)
    if settings.dot or settings.as_json:
        sys.stdout.write(dot if settings.dot else as_json(found.change, found.base, found.graph))
    else:
        show(as_text(found.change, found.base, found.graph).rstrip("\n"))
    return 0


def _draw(root: Path, dot: str, file: Path) -> None:
    """Draw in another process, because Graphviz is in another resolve."""
    from cli.terminal import say
    from data_access_layer.atomic import stage_path
    from tools.workspace.pants import call_pants

    say("Drawing …")
    with stage_path(file, option="--svg") as staging:
        staging.write_text(call_pants(root, ["run", DRAW], stdin=dot))
    say(f"Wrote {file}")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    main_of_task(AffectedSettings, run, prog=PROG, doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
