"""Find what a change of this clone affects: changed files from git, targets from Pants."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from cli.errors import InputError, UserError
from cli.terminal import say
from tools.change.affected_artifacts import Change, trace_change
from tools.change.history import changed_files, find_base
from tools.workspace.git import Revision
from tools.workspace.target_graph import TargetGraph

EXPORTED_CONTRACTS = "src/datasets/contracts/*.yaml"


@dataclass(frozen=True)
class Affected:
    """What a change since `base` affects, and the graph that shows why."""

    change: Change
    base: Revision
    graph: TargetGraph


def find_affected(root: Path, since: str, targets: Path | None) -> Affected:
    """Compare the working tree with the commit at which HEAD left a revision.

    `targets` is a file with the output of `./pants peek ::`; without it, Pants is called.

    Raises:
        InputError: there is no such revision, or `targets` is not the output of `peek`.
        UserError: the history cannot be fetched, or Pants fails.
    """
    base = find_base(root, since)
    files = changed_files(root, base)
    graph = _read_graph(targets) if targets else _ask_pants(root)
    return Affected(trace_change(files, graph, names=_contracts(root)), base, graph)


def _ask_pants(root: Path) -> TargetGraph:
    say("Asking Pants for the dependencies …")
    return TargetGraph.of_repository(root)


def _read_graph(file: Path) -> TargetGraph:
    try:
        content = json.loads(file.read_text())
        if not isinstance(content, list) or not content:
            raise ValueError("no list of targets")
        return TargetGraph.from_peek(content)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{file}: expected the output of `./pants peek ::`. "
            f"Write it again: `./pants peek :: > {file}`."
        ) from error


def _contracts(root: Path) -> dict[str, list[str]]:
    """The contracts that each module of src/datasets defines, from the exported files."""
    found: dict[str, list[str]] = {}
    for file in sorted(root.glob(EXPORTED_CONTRACTS)):
        content = yaml.safe_load(file.read_text())
        if not isinstance(content, dict) or not {"name", "model"} <= content.keys():
            raise UserError(
                f"{file.relative_to(root)}: expected a contract with `name` and `model`. Run "
                "`./pants run src/datasets:contracts -- export`."
            )
        module = str(content["model"]).rpartition(".")[0]
        found.setdefault(f"src/{module.replace('.', '/')}.py", []).append(str(content["name"]))
    return found
