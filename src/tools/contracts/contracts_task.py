"""Read the contracts of src/datasets, and find what depends on changed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cli.errors import InputError
from cli.terminal import say
from datasets import registry
from tools.contracts.contract import Contract, contract_of, problems
from tools.contracts.contract_changes import ContractChange, compare
from tools.contracts.contract_files import FOLDER, from_text
from tools.contracts.dependents import Dependents
from tools.workspace.git import Revision, files_with
from tools.workspace.pants import PantsError
from tools.workspace.target_graph import TargetGraph

# A module may import a contract that was removed.
_IGNORE_UNOWNED = "--python-infer-unowned-dependency-behavior=ignore"


def read_contracts() -> dict[str, Contract]:
    """Read all contracts of src/datasets, by name.

    Raises:
        InputError: the documentation of a contract is incomplete.
    """
    try:
        models = registry.contracts()
    except ValueError as error:
        raise InputError(str(error)) from error
    if found := [problem for model in models.values() for problem in problems(model)]:
        raise InputError("\n".join(found))
    return {name: contract_of(model) for name, model in models.items()}


def find_changes(root: Path, revision: Revision) -> Sequence[ContractChange]:
    """Compare the contracts with those at a revision."""
    before = [
        from_text(text, f"{revision}: {FOLDER}/{name}")
        for name, text in revision.files(FOLDER).items()
        if name.endswith(".yaml")
    ]
    if not before:
        say(f"{revision} has no contracts in {FOLDER}.")
    changes = compare({contract.name: contract for contract in before}, read_contracts())
    return [_with_retired_models(root, revision, change) for change in changes]


def find_dependents(
    root: Path, changes: Sequence[ContractChange]
) -> tuple[Mapping[str, Dependents], str]:
    """Find what depends on each changed contract; if Pants fails, return its message."""
    # Nothing depends on a new contract.
    changed = [change for change in changes if change.before is not None]
    if not changed:
        return {}, ""
    say("Asking Pants for the dependents …")
    try:
        graph = TargetGraph.of_repository(root, _IGNORE_UNOWNED)
    except PantsError as error:
        return {}, f"The dependents are unknown. {error}"
    return {change.name: _dependents_of(change, graph, root) for change in changed}, ""


def _dependents_of(change: ContractChange, graph: TargetGraph, root: Path) -> Dependents:
    """What depends on a contract's file or, if that was removed, what still imports it."""
    contract = change.after or change.before
    assert contract is not None
    if (root / contract.file).exists():
        return Dependents.of_contract(contract.file, graph)
    return Dependents.of_importers(files_with(root, _imports_of(contract)), graph)


def _with_retired_models(root: Path, revision: Revision, change: ContractChange) -> ContractChange:
    """Add the removed models to a removal, if only these used the contract."""
    if change.before is None or change.after is not None:
        return change
    importers = files_with(root, _imports_of(change.before), revision.commit)
    users = [file for file in importers if file.startswith("src/") and file != change.before.file]
    models = Dependents.of_files(users).models
    are_models = all(file.startswith("src/models/") and file.count("/") > 2 for file in users)
    are_gone = not any((root / "src/models" / model).exists() for model in models)
    return replace(change, retired_with=models) if are_models and are_gone else change


def _imports_of(contract: Contract) -> str:
    """A pattern for the lines that import a contract's module."""
    package, _, module = contract.module.rpartition(".")
    return rf"{package}\.{module}\b|from {package} import .*\b{module}\b"
