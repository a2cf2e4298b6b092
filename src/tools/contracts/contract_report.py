"""Contracts and their changes as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from cli.terminal import show, show_table
from tools.contracts.contract import Contract
from tools.contracts.contract_changes import Change, ContractChange
from tools.contracts.contract_checks import check_text, column_checks_text
from tools.contracts.dependents import Dependents

_SHOWN_MODULES = 12


def show_contract(contract: Contract) -> None:
    """Print a contract as a table with a row for each column."""
    headings = ("column", "dtype", "unit", "missing", "values", "meaning")
    rows = [
        (
            column.name + ("" if column.required else " (optional)"),
            column.dtype,
            column.unit,
            "may be" if column.nullable else "",
            column_checks_text(column),
            column.description,
        )
        for column in contract.columns
    ]
    title = f"{contract.name} {contract.version}, owned by {contract.owner}"
    show_table(title, headings, rows, notes=_about(contract), of_texts=True)


def _about(contract: Contract) -> list[str]:
    lines = [contract.description, f"from {contract.module} import {_class(contract)}"]
    if contract.deprecated:
        lines.append(f"Deprecated: {contract.deprecated}")
    if contract.unique:
        lines.append(f"Key: {', '.join(contract.unique)}.")
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
    """Print each changed contract, with its changes, its dependents and what to do."""
    if not changes:
        show(f"No contract differs from {revision}.")
        return
    show(f"Contracts, compared with {revision}")
    for change in changes:
        show(f"\n{change.name} {_versions(change)}: {change.remark or change.effect}")
        _print_lines(change.changes)
        _print_dependents(dependents.get(change.name))
        if change.problem:
            show(f"  NOT YET: {change.problem}.")


def print_json(
    changes: Sequence[ContractChange], revision: str, dependents: Mapping[str, Dependents]
) -> None:
    """Print the same as JSON."""
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
        show(f"  {left}  {change.what}")


def _effect(change: Change) -> str:
    who = f" for {' and '.join(change.breaks)}" if change.breaks else ""
    return f"{change.effect}{who}"


def _print_dependents(found: Dependents | None) -> None:
    if found is None:
        return
    show(f"  models: {', '.join(found.models) or 'none'}")
    if found.modules:
        more = len(found.modules) - _SHOWN_MODULES
        rest = f" and {more} more" if more > 0 else ""
        show(f"  modules: {', '.join(found.modules[:_SHOWN_MODULES])}{rest}")
    if found.notebooks:
        show(f"  notebooks: {', '.join(found.notebooks)}")
    show(f"  test files: {len(found.tests)}")
