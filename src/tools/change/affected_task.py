"""What a change of this clone affects: git and Pants are asked, or a file with what Pants said."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli.errors import InputError, UserError
from cli.terminal import say
from tools.change.affected_artifacts import Change, change_of
from tools.change.history import changed_files, find_base
from tools.workspace.git import Revision
from tools.workspace.target_graph import TargetGraph

EXPORTED_CONTRACTS = "src/datasets/contracts/*.yaml"


@dataclass(frozen=True)
class Answer:
    """What a change affects since a revision, and who depends on whom."""

    change: Change
    base: Revision
    graph: TargetGraph


def inquire(root: Path, since: str, targets: Path | None) -> Answer:
    """Compare the working tree with where it left a revision.

    Raises:
        InputError: there is no such revision, or `targets` is not what Pants prints.
        UserError: the history cannot be fetched, or Pants does not answer.
    """
    base = find_base(root, since)
    files = changed_files(root, base)
    graph = _graph_of(targets) if targets else _ask_pants(root)
    return Answer(change_of(files, graph, names=_contracts(root)), base, graph)


def _ask_pants(root: Path) -> TargetGraph:
    say("Asking Pants what depends on what …")
    return TargetGraph.of_repository(root)


def _graph_of(file: Path) -> TargetGraph:
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


def _contracts(root: Path) -> dict[str, list[str]]:
    """The contracts that each module of src/datasets holds, as their exported files say."""
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
