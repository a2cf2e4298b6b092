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

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn

from pydantic import Field

from config.errors import InputError, UserError
from config.settings import Settings
from config.task import Invocation
from config.task import main as main_of_task

if TYPE_CHECKING:
    from tools.target_graph import TargetGraph

PROG = "tools.affected"
DRAW = "src/tools:svg"
EXPORTED_CONTRACTS = "src/datasets/contracts/*.yaml"


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


def run(settings: AffectedSettings, invocation: Invocation) -> int:
    """Say what a change affects."""
    from tools.affected_report import as_dot, as_json, as_text
    from tools.change import change_of
    from tools.history import changed_files, find_base
    from tools.repository import find_root

    if settings.as_json and settings.dot:
        raise InputError("--json and --dot both go to standard output: choose one.")
    root = find_root()
    base = find_base(root, settings.since)
    files = changed_files(root, base)
    graph = _graph(root, settings.targets)
    change = change_of(files, graph, names=_contracts(root))
    dot = as_dot(change, graph)
    if settings.svg:
        _draw(root, dot, settings.svg)
    report = as_json if settings.as_json else as_text
    sys.stdout.write(dot if settings.dot else report(change, base, graph))
    return 0


def _graph(root: Path, file: Path | None) -> TargetGraph:
    from config.terminal import say
    from tools.peek import PantsError, peek
    from tools.target_graph import TargetGraph

    if file:
        return _graph_of(file)
    say("Asking Pants who depends on what …")
    try:
        return TargetGraph.from_peek(peek(root))
    except PantsError as error:
        raise UserError(f"What depends on the changed files is not known. {error}") from error


def _graph_of(file: Path) -> TargetGraph:
    from tools.target_graph import TargetGraph

    try:
        told = json.loads(file.read_text())
        if not isinstance(told, list) or not told:
            raise ValueError("no list of targets")
        return TargetGraph.from_peek(told)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{file}: expected what `./pants peek ::` prints, and it is not: "
            f"make it anew by `./pants peek :: > {file}`."
        ) from error


def _draw(root: Path, dot: str, file: Path) -> None:
    """By the program that draws: Graphviz is in a resolve of its own."""
    from config.terminal import say
    from data_access_layer.atomic import staged
    from tools.peek import PantsError, ask

    say("Drawing …")
    try:
        with staged(file, option="--svg") as staging:
            staging.write_text(ask(root, ["run", DRAW], given=dot))
    except PantsError as error:
        raise UserError(f"{file}: there is no picture. {error}") from error
    say(f"Drawn: {file}")


def _contracts(root: Path) -> dict[str, list[str]]:
    """The contracts that each module of src/datasets holds, as their exported files say."""
    import yaml

    found: dict[str, list[str]] = {}
    for file in sorted(root.glob(EXPORTED_CONTRACTS)):
        told = yaml.safe_load(file.read_text())
        if not isinstance(told, dict) or not {"name", "model"} <= told.keys():
            raise UserError(
                f"{file.relative_to(root)}: expected a contract with `name` and `model`: run "
                "`./pants run src/datasets:contracts -- export`."
            )
        module = str(told["model"]).rpartition(".")[0]
        found.setdefault(f"src/{module.replace('.', '/')}.py", []).append(str(told["name"]))
    return found


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    main_of_task(AffectedSettings, run, prog=PROG, doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
