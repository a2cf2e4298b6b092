"""Contracts as YAML files, one for each contract, which belong in git."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import yaml

from cli.errors import InputError
from data_access_layer.atomic import stage_path
from tools.contracts.contract import Column, Contract

FOLDER = Path("src/datasets/contracts")
_HEAD = """\
# Generated from {file} by `./pants run src/datasets:contracts -- export`.
# Change that file, and export again.
"""
_WIDTH = 96


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists too, so that each column is easy to find."""
        super().increase_indent(flow, False)


class _OnOneLine(dict[str, Any]):
    """The checks of a column or a table."""


_Dumper.add_representer(
    _OnOneLine,
    lambda dumper, value: dumper.represent_mapping(
        "tag:yaml.org,2002:map", value.items(), flow_style=True
    ),
)


def file_name(contract: str) -> str:
    """The name of a contract's file."""
    return f"{contract}.yaml"


def to_text(contract: Contract) -> str:
    """The content of a contract's file; deterministic."""
    values = _without_defaults(contract)
    # The columns are the longest part, and come last.
    values["columns"] = [_without_defaults(column) for column in contract.columns]
    body = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return _HEAD.format(file=contract.file) + body


def from_text(text: str, source: str) -> Contract:
    """Parse a contract's file; an error names it `source`.

    Raises:
        InputError: it is not a contract, or a newer version of this command wrote it.
    """
    try:
        values = yaml.safe_load(text)
        columns = tuple(Column(**_tuples(column)) for column in values.pop("columns"))
        return Contract(columns=columns, **_tuples(values))
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{source}: expected a contract that `export` wrote: {reason}.") from error


def stale(contracts: Mapping[str, Contract], folder: Path) -> list[str]:
    """The names of the files that `export` would change, each with the reason."""
    found = []
    for name, contract in contracts.items():
        path = folder / file_name(name)
        if not path.exists():
            found.append(f"{path.name}: missing")
        elif path.read_text(encoding="utf-8") != to_text(contract):
            found.append(f"{path.name}: differs from src/datasets")
    return sorted(
        [*found, *(f"{path.name}: has no contract" for path in _others(contracts, folder))]
    )


def export(contracts: Mapping[str, Contract], folder: Path) -> list[str]:
    """Write all contracts, and remove other files; return the names of changed files."""
    changed = [line.partition(":")[0] for line in stale(contracts, folder)]
    for name, contract in contracts.items():
        if file_name(name) in changed:
            with stage_path(folder / file_name(name)) as staging:
                staging.write_text(to_text(contract), encoding="utf-8")
    for path in _others(contracts, folder):
        path.unlink()
    return changed


def _others(contracts: Mapping[str, Contract], folder: Path) -> list[Path]:
    known = {file_name(name) for name in contracts}
    return [path for path in sorted(folder.glob("*.yaml")) if path.name not in known]


def _without_defaults(value: Contract | Column) -> dict[str, Any]:
    """The fields that differ from their defaults, in order; always `strict` and `nullable`."""
    found: dict[str, Any] = {}
    for one in fields(value):
        content = getattr(value, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if one.name == "columns" or (content == default and one.name not in ("strict", "nullable")):
            continue
        if one.name == "checks":
            content = _OnOneLine(content)
        found[one.name] = list(content) if isinstance(content, tuple) else content
    return found


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert lists that are fields to tuples; lists in checks stay lists."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
