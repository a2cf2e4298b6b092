"""DuckDB's SQL for a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data_access_layer.query.filters import Condition, Query


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def select_statement(query: Query, source: str) -> tuple[str, list[Any]]:
    """DuckDB's statement for `query`, and its parameters."""
    values: list[Any] = []
    order = ""
    if query.as_of:
        keys = ", ".join(map(quoted, query.as_of.keys))
        times = " and ".join(f"{quoted(column)} <= ?" for column in query.time_limits)
        ties = ", ".join(f"{quoted(column)} desc nulls last" for column in query.ties)
        values += query.time_limits.values()
        source = (
            f"(select * from {source} where {times} "
            f"qualify row_number() over (partition by {keys} order by {ties}) = 1)"
        )
        order = f" order by {', '.join(f'{quoted(key)} nulls last' for key in query.as_of.keys)}"
    where, more = _where(query.any_of)
    columns = ", ".join(map(quoted, query.columns))
    return f"select {columns} from {source}{where}{order}", [*values, *more]


def _where(any_of: Sequence[Sequence[Condition]]) -> tuple[str, list[Any]]:
    if not any_of:
        return "", []
    groups, values = [], []
    for conditions in any_of:
        texts = []
        for condition in conditions:
            text, more = _compare(condition)
            texts.append(text)
            values += more
        groups.append(f"({' and '.join(texts)})")
    return f" where {' or '.join(groups)}", values


def _compare(condition: Condition) -> tuple[str, list[Any]]:
    column, operator = quoted(condition.column), condition.operator
    if operator in ("is", "is not"):
        return f"{column} {operator} null", []
    if operator in ("in", "not in"):
        if not condition.value:
            return ("false" if operator == "in" else "true"), []
        return f"{column} {operator} ({', '.join('?' * len(condition.value))})", [*condition.value]
    return f"{column} {'=' if operator == '==' else operator} ?", [condition.value]
