"""Contracts, and their changes, as a person or a program reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.contract import Contract
from tools.contract_changes import Change, ContractChange
from tools.contract_checks import check_text, column_checks_text
from tools.dependents import Dependents

# Where nobody watches, no line has to end at the edge of a window.
_WIDTH_OF_A_FILE = 160
_SHOWN_MODULES = 12


def show_contract(contract: Contract) -> None:
    """A contract as a table, one line per column."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ("column", "dtype", "unit", "missing", "values"):
        table.add_column(heading, overflow="fold")
    table.add_column("meaning", overflow="fold", ratio=1)
    for column in contract.columns:
        row = (
            column.name + ("" if column.required else " (optional)"),
            column.dtype,
            column.unit,
            "may be" if column.nullable else "",
            column_checks_text(column),
            column.description,
        )
        # As text, or rich takes what stands in brackets for a style.
        table.add_row(*map(Text, row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    console.print(
        f"{contract.name} {contract.version}, answered for by {contract.owner}",
        style="bold",
        highlight=False,
        markup=False,
    )
    for line in _about(contract):
        console.print(line, highlight=False, markup=False)
    console.print(table)


def _about(contract: Contract) -> list[str]:
    lines = [contract.description, f"from {contract.module} import {_class(contract)}"]
    if contract.deprecated:
        lines.append(f"Deprecated: {contract.deprecated}")
    if contract.unique:
        lines.append(f"A row is identified by {', '.join(contract.unique)}.")
    if contract.strict:
        lines.append(
            f"Other columns are {'dropped' if contract.strict == 'filter' else 'refused'}."
        )
    lines += [f"Rows: {check_text(name, value)}" for name, value in contract.checks.items()]
    return lines


def _class(contract: Contract) -> str:
    return contract.model.rpartition(".")[2]


def print_changes(
    changes: Sequence[ContractChange], revision: str, dependents: Mapping[str, Dependents]
) -> None:
    """Each contract that changed, each change of it, who depends on it, and what is to be done."""
    if not changes:
        print(f"No contract differs from {revision}.")
        return
    print(f"Contracts, compared with {revision}")
    for change in changes:
        print(f"\n{change.name} {_versions(change)}: {change.remark or change.effect}")
        _print_lines(change.changes)
        _print_dependents(dependents.get(change.name))
        if change.problem:
            print(f"  NOT YET: {change.problem}.")


def print_json(
    changes: Sequence[ContractChange], revision: str, dependents: Mapping[str, Dependents]
) -> None:
    """The same, for programs."""
    contracts = [
        {
            "name": change.name,
            "before": change.before and change.before.version,
            "after": change.after and change.after.version,
            "effect": change.effect,
            "problem": change.problem,
            "remark": change.remark,
            "changes": [
                {"column": one.column, "what": one.what, "effect": one.effect, "breaks": one.breaks}
                for one in change.changes
            ],
            "dependents": (found := dependents.get(change.name)) and asdict(found),
        }
        for change in changes
    ]
    print(json.dumps({"since": revision, "contracts": contracts}, indent=2, ensure_ascii=False))


def _versions(change: ContractChange) -> str:
    before = change.before.version if change.before else "none"
    after = change.after.version if change.after else "none"
    return before if before == after else f"{before} -> {after}"


def _print_lines(changes: Sequence[Change]) -> None:
    effects = [_effect(change) for change in changes]
    columns = [change.column or "(table)" for change in changes]
    for effect, column, change in zip(effects, columns, changes, strict=True):
        left = f"{effect:<{max(map(len, effects))}}  {column:<{max(map(len, columns))}}"
        print(f"  {left}  {change.what}")


def _effect(change: Change) -> str:
    who = f" for {' and '.join(change.breaks)}" if change.breaks else ""
    return f"{change.effect}{who}"


def _print_dependents(found: Dependents | None) -> None:
    if found is None:
        return
    print(f"  models: {', '.join(found.models) or 'none'}")
    if found.modules:
        more = len(found.modules) - _SHOWN_MODULES
        print(f"  modules: {', '.join(found.modules[:_SHOWN_MODULES])}", end="")
        print(f" and {more} more" if more > 0 else "")
    if found.notebooks:
        print(f"  notebooks: {', '.join(found.notebooks)}")
    print(f"  test files: {len(found.tests)}")
