"""A contract as a plain value, to export, show and compare."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pandas as pd
import pandera.pandas as pa

from datasets.checks import contract_dtypes

NAME = re.compile(r"[a-z][a-z0-9_]*")
VERSION = re.compile(r"([1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
# Pandera's checks: each with its keyword of `pa.Field`, and the statistic that is its argument.
_KEYWORDS: Mapping[str, tuple[str, str | None]] = {
    "equal_to": ("eq", "value"),
    "not_equal_to": ("ne", "value"),
    "greater_than": ("gt", "min_value"),
    "greater_than_or_equal_to": ("ge", "min_value"),
    "less_than": ("lt", "max_value"),
    "less_than_or_equal_to": ("le", "max_value"),
    "in_range": ("in_range", None),
    "isin": ("isin", "allowed_values"),
    "notin": ("notin", "forbidden_values"),
    "str_contains": ("str_contains", "pattern"),
    "str_endswith": ("str_endswith", "string"),
    "str_length": ("str_length", None),
    "str_matches": ("str_matches", "pattern"),
    "str_startswith": ("str_startswith", "string"),
    "unique_values_eq": ("unique_values_eq", "values"),
}
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its meaning, and the checks of its values.

    Attributes:
        nullable: whether values may be missing.
        required: whether the column must exist.
        regex: whether `name` is a pattern that several columns may match.
        default: the value that replaces missing values.
        categories: the categories of a categorical column.
        ordered: whether these have an order.
        checks: arguments of pandera's checks, by keyword of `pa.Field`.
    """

    name: str
    dtype: str
    nullable: bool = False
    required: bool = True
    unique: bool = False
    coerce: bool = False
    regex: bool = False
    default: Any = None
    categories: tuple[Any, ...] | None = None
    ordered: bool = False
    unit: str = ""
    checks: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One table: its owner and its columns.

    Attributes:
        model: the class that code imports, with its module.
        deprecated: what to read instead, if the contract will be removed.
        strict: whether other columns are refused (`filter`: dropped).
        ordered: whether the columns must have this order.
        unique: the columns that identify a row.
        checks: checks of whole rows.
    """

    name: str
    version: str
    owner: str
    description: str
    model: str
    deprecated: str = ""
    strict: bool | str = False
    ordered: bool = False
    coerce: bool = False
    unique: tuple[str, ...] = ()
    checks: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()

    @property
    def module(self) -> str:
        """The model's module."""
        return self.model.rpartition(".")[0]

    @property
    def file(self) -> str:
        """The file of the module, relative to the repository's root."""
        return f"src/{self.module.replace('.', '/')}.py"


def contract_of(model: type[pa.DataFrameModel]) -> Contract:
    """The contract of a pandera model."""
    schema: Any = model.to_schema()
    metadata = _own_metadata(model)
    dtypes = contract_dtypes(model)
    unique = [schema.unique] if isinstance(schema.unique, str) else schema.unique or ()
    return Contract(
        name=str(schema.name),
        version=str(metadata.get("version", "")),
        owner=str(metadata.get("owner", "")),
        description=_one_line(_own_config(model).get("description")),
        model=f"{model.__module__}.{model.__qualname__}",
        deprecated=_one_line(metadata.get("deprecated")),
        strict=schema.strict,
        ordered=schema.ordered,
        coerce=schema.coerce,
        unique=tuple(unique),
        checks=_checks(schema.checks),
        columns=tuple(
            _column(str(name), dtypes[name], column) for name, column in schema.columns.items()
        ),
    )


def problems(model: type[pa.DataFrameModel]) -> list[str]:
    """What is missing in a contract's documentation; empty if it is complete."""
    contract = contract_of(model)
    found = []
    if not NAME.fullmatch(contract.name):
        found.append(f"`Config.name` must be snake_case, got {contract.name!r}")
    if not VERSION.fullmatch(contract.version):
        found.append(
            "`Config.metadata` must have a version such as 1.0.0 (major.minor.patch, at least "
            f"1.0.0), got {contract.version!r}"
        )
    if not contract.owner:
        found.append("`Config.metadata` must have an `owner`: who is responsible for the contract")
    if not contract.description:
        found.append("`Config.description` must describe one row")
    if model.to_schema().index is not None:
        found.append("stored tables have no index: declare the index as a column")
    found += [
        f"column {column.name!r} has no description: add one to its `pa.Field`"
        for column in contract.columns
        if not column.description
    ]
    return [f"{contract.model}: {problem}." for problem in found]


def _own_config(model: type[pa.DataFrameModel]) -> Mapping[str, Any]:
    """The attributes of the model's own `Config`, without inherited names and versions."""
    return vars(model.Config)


def _own_metadata(model: type[pa.DataFrameModel]) -> Mapping[str, Any]:
    return _own_config(model).get("metadata") or {}


def _column(name: str, dtype: str, column: Any) -> Column:
    kind = column.dtype.type
    categorical = isinstance(kind, pd.CategoricalDtype) and kind.categories is not None
    return Column(
        name=name,
        dtype=dtype,
        nullable=column.nullable,
        required=column.required,
        unique=column.unique,
        coerce=column.coerce,
        regex=column.regex,
        default=plain(column.default),
        categories=tuple(plain(list(kind.categories))) if categorical else None,
        ordered=bool(categorical and kind.ordered),
        unit=str((column.metadata or _NOTHING).get("unit", "")),
        checks=_checks(column.checks),
        description=_one_line(column.description),
    )


def _checks(checks: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for check in checks:
        keyword, statistic = _KEYWORDS.get(check.name, (check.name, None))
        arguments = check.statistics or {}
        if statistic is not None:
            found[keyword] = plain(arguments[statistic])
        elif arguments:
            given = {name: plain(value) for name, value in arguments.items()}
            found[keyword] = {name: value for name, value in given.items() if value is not None}
        else:
            found[keyword] = {"code": _code(check._check_fn)}
    return found


def _code(function: Callable[..., Any]) -> str:
    """A hash of a custom check's code, which may change while the check's name does not."""
    # Pandera wraps a check that is a method in a function; the method is in its closure.
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    inner = [own.check_fn for own in cells if hasattr(own, "check_fn")]
    try:
        source = textwrap.dedent(inspect.getsource(inner[0] if inner else function))
        meaning = ast.dump(ast.parse(source))
    except (OSError, TypeError, SyntaxError):
        return "unknown"
    return hashlib.sha256(meaning.encode()).hexdigest()[:12]


def plain(value: Any) -> Any:
    """A value as a type that YAML has: string, number, date, list."""
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value), key=lambda one: (str(type(one)), one))
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, str):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split())
