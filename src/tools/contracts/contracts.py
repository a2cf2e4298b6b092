"""Show the contracts of src/datasets, write them down, and say what a change of them breaks.

Examples:
  ./pants run src/datasets:contracts -- show flowers
  ./pants run src/datasets:contracts -- export
  ./pants run src/datasets:contracts -- diff --since main

Exits with 0 where all is well, with 1 where something has to be done first (a version to raise,
files to export), with 2 where it cannot say (no such contract, option or revision).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli.errors import InputError
from cli.task import Command, TaskContext, main_of_commands
from config.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tools.contracts.contract import Contract
    from tools.contracts.contract_changes import ContractChange
    from tools.contracts.dependents import Dependents
    from tools.workspace.git import Revision
    from tools.workspace.target_graph import TargetGraph

PROG = "tools.contracts.contracts"
# A module may import a contract that is gone.
_IGNORE_UNOWNED = "--python-infer-unowned-dependency-behavior=ignore"
EXPORT = "./pants run src/datasets:contracts -- export"


class ShowSettings(Settings):
    """What to show."""

    section: ClassVar[str] = "contracts_show"

    name: CliPositionalArg[str] = Field("", description="one contract; without it, all of them")


class ExportSettings(Settings):
    """How to export."""

    section: ClassVar[str] = "contracts_export"

    check: bool = Field(False, description="write nothing; exit with 1 where a file is not current")


class DiffSettings(Settings):
    """What to compare."""

    section: ClassVar[str] = "contracts_diff"
    # pydantic's models have a method that is named `json`.
    shortcuts: ClassVar[Mapping[str, str]] = {"as-json": "json"}

    since: str = Field("main", description="the branch, tag or commit to compare with")
    as_json: bool = Field(False, description="print JSON, for programs")


def show(settings: ShowSettings, context: TaskContext) -> int:
    """Show one contract, or all."""
    from tools.contracts.contract_report import show_contract

    contracts = _contracts()
    for name in [settings.name] if settings.name else contracts:
        if name not in contracts:
            raise InputError(f"No contract {name!r}; contracts: {', '.join(contracts)}.")
        show_contract(contracts[name])
    return 0


def export(settings: ExportSettings, context: TaskContext) -> int:
    """Write each contract to its file, or tell which file is not current."""
    from cli.terminal import say
    from tools.contracts import contract_files
    from tools.workspace.git import find_root

    contracts, folder = _contracts(), find_root() / contract_files.FOLDER
    if settings.check:
        stale = contract_files.stale(contracts, folder)
        for line in stale:
            say(f"{contract_files.FOLDER}/{line}")
        say(f"Not current: run `{EXPORT}`, and commit." if stale else _current(len(contracts)))
        return 1 if stale else 0
    changed = contract_files.export(contracts, folder)
    for name in changed:
        gone = "" if (folder / name).exists() else ": removed, it has no contract"
        say(f"{contract_files.FOLDER}/{name}{gone}")
    if not changed:
        say(_current(len(contracts)))
    return 0


def diff(settings: DiffSettings, context: TaskContext) -> int:
    """Compare with a revision, and hold each version against its changes."""
    from cli.terminal import say
    from tools.change.history import find_base
    from tools.contracts.contract_changes import compare
    from tools.contracts.contract_files import FOLDER, from_text
    from tools.contracts.contract_report import print_changes, print_json
    from tools.workspace.git import find_root, is_changed

    root = find_root()
    revision = find_base(root, settings.since)
    before = [
        from_text(text, f"{revision}: {FOLDER}/{name}")
        for name, text in revision.files(FOLDER).items()
        if name.endswith(".yaml")
    ]
    found = compare({contract.name: contract for contract in before}, _contracts())
    changes = [_with_its_models(root, revision, change) for change in found]
    if not before:
        say(f"At {revision} there were no contracts in {FOLDER}.")
    if is_changed(root, "src/datasets"):
        say("What is not committed in src/datasets counts.")
    dependents, unknown = _find_dependents(root, changes)
    report = print_json if settings.as_json else print_changes
    report(changes, str(revision), dependents)
    if unknown:
        say(unknown)
    return 1 if any(change.problem for change in changes) else 0


def _contracts() -> dict[str, Contract]:
    """Every contract of src/datasets, all of them documented."""
    from datasets import registry
    from tools.contracts.contract import contract_of, problems

    try:
        models = registry.contracts()
    except ValueError as error:
        raise InputError(str(error)) from error
    if found := [problem for model in models.values() for problem in problems(model)]:
        raise InputError("\n".join(found))
    return {name: contract_of(model) for name, model in models.items()}


def _find_dependents(
    root: Path, changes: Sequence[ContractChange]
) -> tuple[Mapping[str, Dependents], str]:
    """What depends on each contract that changed, or why Pants cannot tell."""
    from cli.terminal import say
    from tools.workspace.pants import PantsError
    from tools.workspace.target_graph import TargetGraph

    # Nothing depends on a new contract.
    changed = [change for change in changes if change.before is not None]
    if not changed:
        return {}, ""
    say("Asking Pants what depends on them …")
    try:
        graph = TargetGraph.of_repository(root, _IGNORE_UNOWNED)
    except PantsError as error:
        return {}, f"What depends on them is not known. {error}"
    return {change.name: _dependents_of(change, graph, root) for change in changed}, ""


def _dependents_of(change: ContractChange, graph: TargetGraph, root: Path) -> Dependents:
    """What depends on a contract's file; if that is gone, the files that still import it."""
    from tools.contracts.dependents import Dependents
    from tools.workspace.git import files_with

    contract = change.after or change.before
    assert contract is not None
    if (root / contract.file).exists():
        return Dependents.of_contract(contract.file, graph)
    return Dependents.of_importers(files_with(root, _imports_of(contract)), graph)


def _with_its_models(root: Path, revision: Revision, change: ContractChange) -> ContractChange:
    """A removal with the models that are gone too, where these alone used the contract."""
    from tools.contracts.dependents import Dependents
    from tools.workspace.git import files_with

    if change.before is None or change.after is not None:
        return change
    named = files_with(root, _imports_of(change.before), revision.commit)
    users = [file for file in named if file.startswith("src/") and file != change.before.file]
    models = Dependents.of_files(users).models
    of_models = all(file.startswith("src/models/") and file.count("/") > 2 for file in users)
    are_gone = not any((root / "src/models" / model).exists() for model in models)
    return replace(change, retired_with=models) if of_models and are_gone else change


def _imports_of(contract: Contract) -> str:
    """Fits the lines that import a contract's module."""
    package, _, module = contract.module.rpartition(".")
    return rf"{package}\.{module}\b|from {package} import .*\b{module}\b"


def _current(count: int) -> str:
    return f"All {count} contracts are in src/datasets/contracts as they are in src/datasets."


COMMANDS: dict[str, Command[Any]] = {
    "show": Command(
        ShowSettings,
        show,
        """Print contracts column by column: dtype, unit, what values must be, what they mean.

Examples:
  ./pants run src/datasets:contracts -- show
  ./pants run src/datasets:contracts -- show flowers
""",
    ),
    "export": Command(
        ExportSettings,
        export,
        """Write each contract to src/datasets/contracts/<name>.yaml, which is kept in git.

Examples:
  ./pants run src/datasets:contracts -- export
  ./pants run src/datasets:contracts -- export --check

With --check nothing is written: exits with 1 and names the files that are not current.
""",
    ),
    "diff": Command(
        DiffSettings,
        diff,
        """Compare contracts with a git revision: compatible or breaking, and who depends on them.

Examples:
  ./pants run src/datasets:contracts -- diff
  ./pants run src/datasets:contracts -- diff --since v1.4 --json

Compared are the working tree and the commit at which it parted from the revision; a shallow clone
fetches what it lacks of the history. Breaking changes need the next major version, other changes of
what a table may hold the next minor one, a change of words alone none; exits with 1 where a version
was not raised so far. src/tools/contracts/contract_changes.py says which change breaks readers, and
which breaks writers.
""",
    ),
}


def main(*, argv: Sequence[str] | None = None) -> NoReturn:
    """The command line."""
    main_of_commands(COMMANDS, prog=PROG, doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
