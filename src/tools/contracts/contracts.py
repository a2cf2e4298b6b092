"""Show and export the contracts of src/datasets, and report what their changes break.

Examples:
  ./pants run src/datasets:contracts -- show flowers
  ./pants run src/datasets:contracts -- export
  ./pants run src/datasets:contracts -- diff --since main

Exit codes: 0 all is well; 1 a version has to be raised, or files have to be exported; 2 there is no
such contract, option or revision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

from pydantic import Field
from pydantic_settings import CliPositionalArg

from cli.errors import InputError
from cli.task import Command, TaskContext, main_of_commands
from config.settings import Settings

PROG = "tools.contracts.contracts"
EXPORT = "./pants run src/datasets:contracts -- export"


class ShowSettings(Settings):
    """What to show."""

    section: ClassVar[str] = "contracts_show"

    name: CliPositionalArg[str] = Field("", description="one contract; default: all")


class ExportSettings(Settings):
    """Whether to write or to check."""

    section: ClassVar[str] = "contracts_export"

    check: bool = Field(False, description="write nothing; exit with 1 if a file is not current")


class DiffSettings(Settings):
    """What to compare."""

    section: ClassVar[str] = "contracts_diff"
    # pydantic's models have a method that is named `json`.
    shortcuts: ClassVar[Mapping[str, str]] = {"as-json": "json"}

    since: str = Field("main", description="the branch, tag or commit to compare with")
    as_json: bool = Field(False, description="print JSON")


def show(settings: ShowSettings, context: TaskContext) -> int:
    """Show one contract, or all."""
    from tools.contracts.contract_report import show_contract
    from tools.contracts.contracts_task import read_contracts

    contracts = read_contracts()
    for name in [settings.name] if settings.name else contracts:
        if name not in contracts:
            raise InputError(f"No contract {name!r}; contracts: {', '.join(contracts)}.")
        show_contract(contracts[name])
    return 0


def export(settings: ExportSettings, context: TaskContext) -> int:
    """Write each contract to its file, or list the files that are not current."""
    from cli.terminal import say
    from tools.contracts import contract_files
    from tools.contracts.contracts_task import read_contracts
    from tools.workspace.git import find_root

    contracts, folder = read_contracts(), find_root() / contract_files.FOLDER
    if settings.check:
        stale = contract_files.stale(contracts, folder)
        for line in stale:
            say(f"{contract_files.FOLDER}/{line}")
        say(f"Not current: run `{EXPORT}`, and commit." if stale else _current(len(contracts)))
        return 1 if stale else 0
    changed = contract_files.export(contracts, folder)
    for name in changed:
        gone = "" if (folder / name).exists() else ": removed, because there is no such contract"
        say(f"{contract_files.FOLDER}/{name}{gone}")
    if not changed:
        say(_current(len(contracts)))
    return 0


def diff(settings: DiffSettings, context: TaskContext) -> int:
    """Compare the contracts with a revision, and check that their versions were raised."""
    from cli.terminal import say
    from tools.change.history import find_base
    from tools.contracts.contract_report import print_changes, print_json
    from tools.contracts.contracts_task import find_changes, find_dependents
    from tools.workspace.git import find_root, is_changed

    root = find_root()
    revision = find_base(root, settings.since)
    changes = find_changes(root, revision)
    if is_changed(root, "src/datasets"):
        say("Includes uncommitted changes of src/datasets.")
    dependents, unknown = find_dependents(root, changes)
    report = print_json if settings.as_json else print_changes
    report(changes, str(revision), dependents)
    if unknown:
        say(unknown)
    return 1 if any(change.problem for change in changes) else 0


def _current(count: int) -> str:
    return f"All {count} contracts in src/datasets/contracts are current."


COMMANDS: dict[str, Command[Any]] = {
    "show": Command(
        ShowSettings,
        show,
        """Print contracts column by column: dtype, unit, checks, description.

Examples:
  ./pants run src/datasets:contracts -- show
  ./pants run src/datasets:contracts -- show flowers
""",
    ),
    "export": Command(
        ExportSettings,
        export,
        """Write each contract to src/datasets/contracts/<name>.yaml, which belongs in git.

Examples:
  ./pants run src/datasets:contracts -- export
  ./pants run src/datasets:contracts -- export --check

With --check, writes nothing: lists the files that are not current, and exits with 1 if there are
any.
""",
    ),
    "diff": Command(
        DiffSettings,
        diff,
        """Compare contracts with a git revision: compatible or breaking, and what depends on them.

Examples:
  ./pants run src/datasets:contracts -- diff
  ./pants run src/datasets:contracts -- diff --since v1.4 --json

Compares the working tree with the commit at which HEAD left the revision. In a shallow clone,
fetches the missing history. A breaking change needs the next major version, a compatible change the
next minor version, a change of documentation none. Exits with 1 if a version was not raised enough.
src/tools/contracts/contract_changes.py lists which change breaks readers or writers.
""",
    ),
}


def main(*, argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line."""
    main_of_commands(COMMANDS, prog=PROG, doc=__doc__, argv=argv)


if __name__ == "__main__":
    main()
