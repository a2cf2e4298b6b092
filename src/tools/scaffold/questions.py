"""Ask on a terminal for the inputs of a new model, dataset or feature view."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import InputError
from cli.terminal import prompt, say
from config.settings import Settings
from tools.scaffold.new_files import check_name
from tools.scaffold.sample import choose_target, read_sample
from tools.scaffold.table_sample import RowKey, choose_row_key
from tools.scaffold.template import MODEL, Template

if TYPE_CHECKING:
    from tools.scaffold.new_feature_view import NewFeatureViewSettings
    from tools.scaffold.new_model import NewModelSettings

type Answers = Iterator[tuple[str, object]]


def ask[S: Settings](settings: S, answers: Answers, *, command: str) -> S:
    """Fill the settings with a person's answers.

    Raises:
        InputError: there is no terminal, or the input ends before the last answer.
    """
    if not sys.stdin.isatty():
        raise InputError(f"The name is missing. Example: ./pants run src/tools:{command}")
    try:
        return settings.model_copy(update=dict(answers))
    except EOFError:
        raise InputError("The input ended before the last answer. Nothing was written.") from None


def ask_for_model(settings: NewModelSettings, root: Path) -> Answers:
    """Ask for the inputs of a new model that the settings lack."""
    name = _ask_name(root, MODEL)
    yield "name", name
    yield (
        "kind",
        settings.kind
        or prompt(
            "What is the label", choices=["classification", "regression"], default="classification"
        ),
    )
    data = settings.data or _ask_data("A sample with labels")
    yield "data", data
    if data:
        columns = [str(column) for column in read_sample(data).columns]
        yield (
            "target",
            settings.target
            or _ask_column("The column with the label", columns, choose_target(columns, name)),
        )
        yield (
            "id",
            settings.id
            or _ask_column(
                "The column that identifies what a row is about", columns, optional=True
            ),
        )


def ask_for_table(data: str, root: Path, template: Template) -> Answers:
    """Ask for the inputs of a new dataset, which are the first ones of a feature view."""
    yield "name", _ask_name(root, template)
    yield "data", data or _ask_data("A sample of rows")


def ask_for_view(settings: NewFeatureViewSettings, root: Path, template: Template) -> Answers:
    """Ask for the inputs of a new feature view that the settings lack."""
    answers = dict(ask_for_table(settings.data, root, template))
    yield from answers.items()
    if data := str(answers["data"]):
        rows = read_sample(data)
        columns = [str(column) for column in rows.columns]
        given = RowKey(settings.keys, settings.timestamp, settings.available)
        row_key = choose_row_key(rows, given)
        yield (
            "key",
            settings.key
            or _ask_column(
                "The column that identifies who a row is about", columns, *row_key.keys[:1]
            ),
        )
        yield (
            "timestamp",
            settings.timestamp
            or _ask_column("The column that says when it happened", columns, row_key.timestamp),
        )
        yield (
            "available",
            settings.available
            or _ask_column(
                "The column that says when it became known",
                columns,
                row_key.available,
                optional=True,
            ),
        )


def _ask_name(root: Path, template: Template) -> str:
    return _ask_until_valid(
        f"Name of {template.kind.replace('a ', 'the ')}, in snake_case",
        lambda name: check_name(root, template, name),
    )


def _ask_data(what: str) -> str:
    return _ask_until_valid(
        f"{what}: a CSV, Parquet or JSON Lines file (empty: a made-up example)",
        lambda data: data and read_sample(data),
    )


def _ask_column(
    question: str, columns: list[str], default: str = "", *, optional: bool = False
) -> str:
    if optional:
        return prompt(
            f"{question} (empty: none)",
            choices=["", *columns],
            default=default,
            show_choices=False,
        )
    return prompt(question, choices=columns, default=default or columns[0])


def _ask_until_valid(question: str, check: Callable[[str], object]) -> str:
    while True:
        answer = prompt(question, default="", show_default=False).strip()
        try:
            check(answer)
        except InputError as error:
            say(str(error))
        else:
            return answer
